"""A Sunday's fit and a morning's letters. Start with `pytest tests` from this folder."""

import csv
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KATA = Path(__file__).parents[1]
FEATURES = ["letter", "site", "channel", "age", "pages", "proposal", "confidence"]
CALIBRATION = [*FEATURES, "fold", "truth"]
LETTERS = [*FEATURES, "harm", "waiting_days"]


class Desk:
    """Rows for both files, and what the two commands make of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count(1)
        self.calibration: list[dict[str, Any]] = []
        self.day: list[dict[str, Any]] = []

    def row(self, confidence: float, **cells: Any) -> dict[str, Any]:
        number = next(self.numbers)
        row = {"letter": f"L{number}", "site": "quay", "proposal": "urology"}
        row |= {"channel": ("fax", "portal")[number % 2], "confidence": confidence}
        return {**row, "age": 20 + number % 60, "pages": 1 + number % 9, **cells}

    def known(self, confidence: float, letters: int, wrong: int, **cells: Any) -> None:
        """Calibration rows of one confidence, so many of which are wrong."""
        for k in range(letters):
            truth = "neurology" if k < wrong else "urology"
            row = self.row(confidence, fold="calibration", truth=truth, **cells)
            self.calibration.append(row)

    def letter(self, confidence: float, harm: int = 10, days: int = 0, **cells: Any) -> str:
        row = self.row(confidence, harm=harm, waiting_days=days, age=50, pages=4) | cells
        self.day.append(row)
        return row["letter"]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "desk", *argv]
        where = {"cwd": self.folder, "env": {"PYTHONPATH": str(KATA)}}
        return subprocess.run(command, **where, capture_output=True, text=True, timeout=60)

    def write(self, name: str, columns: list[str], rows: list[dict[str, Any]]) -> None:
        with (self.folder / name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)

    def fit(self, capacity: int = 200) -> int:
        self.write("cal.csv", CALIBRATION, self.calibration)
        argv = ["--risk", "0.05", "--capacity", str(capacity), "--out", "policy.json"]
        done = self.run("fit", "--cal", "cal.csv", *argv)
        print(done.stderr)
        return done.returncode

    def route(self) -> dict[str, dict[str, str]]:
        self.write("day.csv", LETTERS, self.day)
        done = self.run("route", "--policy", "policy.json", "--in", "day.csv", "--out", "out.csv")
        assert done.returncode == 0, done.stderr
        with (self.folder / "out.csv").open(newline="") as stream:
            return {row["letter"]: row for row in csv.DictReader(stream)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def good(desk: Desk) -> Desk:
    """A model that is right in 98 of 100 letters where it says 0.97, and wrong below 0.6."""
    desk.known(0.97, letters=900, wrong=18)
    for k in range(300):
        desk.known(0.6 - k / 1000, letters=1, wrong=1)
    return desk


def test_sure_letters_are_booked_and_others_asked(good: Desk) -> None:
    assert good.fit() == 0
    sure, doubtful = good.letter(0.97), good.letter(0.4)
    routed = good.route()
    assert routed[sure]["action"] == "auto"
    assert routed[sure]["place"] == ""
    assert (routed[doubtful]["action"], routed[doubtful]["place"]) == ("ask", "1")


def test_a_missing_column_is_refused(desk: Desk) -> None:
    desk.known(0.97, letters=300, wrong=3)
    for row in desk.calibration:
        row["certainty"] = row["confidence"]
    desk.write("cal.csv", [*FEATURES[:-1], "certainty", "fold", "truth"], desk.calibration)
    argv = ["--risk", "0.05", "--capacity", "9", "--out", "policy.json"]
    done = desk.run("fit", "--cal", "cal.csv", *argv)
    assert done.returncode == 2
    assert "confidence" in done.stderr


def test_a_boastful_model_books_nothing(desk: Desk) -> None:
    desk.known(0.98, letters=900, wrong=180)
    assert desk.fit() == 3
    letter = desk.letter(0.98)
    assert desk.route()[letter]["action"] == "ask"


def test_too_many_letters_wait(good: Desk) -> None:
    good.fit(capacity=3)
    letters = [good.letter(0.4) for _ in range(10)]
    routed = good.route()
    assert sorted(routed[each]["action"] for each in letters) == ["ask"] * 3 + ["wait"] * 7


def test_a_channel_never_seen_is_asked(good: Desk) -> None:
    good.fit()
    letter = good.letter(0.97, channel="voice")
    routed = good.route()[letter]
    assert (routed["action"], routed["reason"]) == ("ask", "unfamiliar")


def test_what_costs_most_is_read_first(good: Desk) -> None:
    good.fit()
    wart, chest_pain = good.letter(0.4, harm=2), good.letter(0.4, harm=95)
    routed = good.route()
    assert int(routed[chest_pain]["place"]) < int(routed[wart]["place"])
