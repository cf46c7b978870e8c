"""One night of the job, on a few made-up events. Start with `pytest tests` from this folder."""

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KATA = Path(__file__).parents[1]
NOON = "2026-03-03T12:00:00Z"


class Night:
    """The log so far, and what the job made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.people: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.ids = itertools.count(1)

    def add(self, kind: str, at: str = NOON, **fields: Any) -> None:
        self.events.append({"type": kind, "id": f"e{next(self.ids)}", "at": at, **fields})

    def shown(self, answer: str, propensity: float = 0.5, evaluation: str = "0") -> str:
        """Shows a card to somebody new, who has consented. Returns the showing."""
        number = next(self.ids)
        self.people[f"u{number}"] = evaluation
        self.add("consent", "2026-03-01T09:00:00Z", person=f"u{number}", given=True)
        fields = {"answer": answer, "model": "assist-7", "position": 1, "propensity": propensity}
        self.add("shown", showing=f"s{number}", person=f"u{number}", **fields)
        return f"s{number}"

    def vote(self, showing: str, vote: str, minute: int = 5, **fields: Any) -> None:
        at = f"2026-03-03T13:{minute:02}:00Z"
        fields |= {"person": f"u{showing[1:]}", "model": "assist-7"}
        self.add("vote", at, showing=showing, vote=vote, **fields)

    def crowd(self, answer: str, up: int, down: int, silent: int, propensity: float = 0.5) -> None:
        for vote in ["up"] * up + ["down"] * down + [""] * silent:
            showing = self.shown(answer, propensity)
            if vote:
                self.vote(showing, vote)

    def run(self) -> None:
        log, people, out = (self.folder / name for name in ("events.jsonl", "people.csv", "out"))
        log.write_text("".join(json.dumps(event) + "\n" for event in self.events))
        rows = [f"{person},2025-01-07T10:00:00Z,{group}\n" for person, group in self.people.items()]
        people.write_text("person,joined_at,evaluation\n" + "".join(rows))
        command = [sys.executable, "-m", "feedback", "--log", log, "--people", people]
        command += ["--now", "2026-03-09T02:00:00Z", "--out", out]
        done = subprocess.run(command, cwd=KATA, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        with (out / "scores.csv").open(newline="") as stream:
            self.scores = {row["answer"]: row for row in csv.DictReader(stream)}
        lines = (out / "training.jsonl").read_text().split("\n")
        self.training = [json.loads(line) for line in lines if line]
        self.report = json.loads((out / "report.json").read_text())


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def test_thumbs_are_counted(night: Night) -> None:
    night.crowd("meter", up=4, down=2, silent=0)
    night.run()
    row = night.scores["meter"]
    assert (row["people"], row["up"], row["down"]) == ("6", "4", "2")
    assert set(night.report) >= {"rejected_votes", "damaged_lines", "flagged", "alarms"}


def test_votes_become_training_rows(night: Night) -> None:
    liked, disliked = night.shown("meter"), night.shown("bill")
    night.vote(liked, "up", comment="found it, thank you")
    night.vote(disliked, "down")
    night.run()
    rows = {row["showing"]: row for row in night.training}
    assert rows[liked]["label"] == "good"
    assert rows[liked]["comment"] == "found it, thank you"
    assert rows[disliked]["label"] == "bad"


def test_evaluation_people_are_held_out(night: Night) -> None:
    night.vote(night.shown("meter", evaluation="1"), "up")
    night.run()
    assert night.training == []


def test_an_address_is_taken_out(night: Night) -> None:
    night.vote(night.shown("bill"), "down", comment="write to user77@mail.example please")
    night.run()
    assert "user77@mail" not in night.training[0]["comment"]


def test_a_second_night_adds_no_row_twice(night: Night) -> None:
    night.vote(night.shown("meter"), "up")
    night.run()
    night.run()
    assert len(night.training) == 1


def test_a_good_card_far_down_beats_a_fair_one_on_top(night: Night) -> None:
    # Of those who notice them, 8 in 10 like the first and 5 in 10 the second.
    night.crowd("read your meter", up=20, down=0, silent=80, propensity=0.25)
    night.crowd("you are right", up=45, down=0, silent=55, propensity=0.9)
    night.run()
    good, fair = (float(night.scores[c]["score"]) for c in ("read your meter", "you are right"))
    assert good > fair


def test_silence_is_no_label(night: Night) -> None:
    night.crowd("meter", up=1, down=0, silent=3)
    night.run()
    assert [row["label"] for row in night.training] == ["good"]


def test_pressing_a_thumb_three_times_counts_once(night: Night) -> None:
    showing = night.shown("meter")
    for minute in (1, 2, 3):
        night.vote(showing, "up", minute)
    night.run()
    assert night.scores["meter"]["up"] == "1"
