"""What the night job owes the dashboard. Start with `pytest tests` from this folder."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent
FRIDAY, SATURDAY = HERE / "data" / "friday", HERE / "data" / "saturday"


def enrich(source: Path, out: Path, report: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "enrich", "--in", source, "--out", out, "--report", report]
    return subprocess.run(
        list(map(str, command)), cwd=HERE, capture_output=True, text=True, timeout=120
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def friday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("friday")
    done = enrich(FRIDAY, folder / "lines.csv", folder / "report.json")
    assert done.returncode == 0, done.stderr
    return folder


def test_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "enrich", "--help"], cwd=HERE, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "--report" in done.stdout


def test_every_line_of_friday_comes_out(friday: Path) -> None:
    found = [row["order_id"] for row in rows(friday / "lines.csv")]
    assert found == [row["order_id"] for row in rows(FRIDAY / "orders.csv")]


def test_friday_has_the_tills_total(friday: Path) -> None:
    tills = sum(int(row["amount_cents"]) for row in rows(FRIDAY / "orders.csv"))
    assert json.loads((friday / "report.json").read_text())["amount_cents"] == tills


def test_friday_by_region_adds_up(friday: Path) -> None:
    report = json.loads((friday / "report.json").read_text())
    assert sum(report["amount_cents_by"]["region"].values()) == report["amount_cents"]


def test_friday_by_segment_adds_up(friday: Path) -> None:
    report = json.loads((friday / "report.json").read_text())
    assert sum(report["amount_cents_by"]["segment"].values()) == report["amount_cents"]


def test_saturday_is_refused(tmp_path: Path) -> None:
    out, report = tmp_path / "lines.csv", tmp_path / "report.json"
    out.write_text("what Friday left\n")
    done = enrich(SATURDAY, out, report)
    assert done.returncode == 3, done.stderr
    assert out.read_text() == "what Friday left\n"


def test_the_report_names_the_store(tmp_path: Path) -> None:
    enrich(SATURDAY, tmp_path / "lines.csv", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["status"] == "refused"
    assert report["duplicates"]["stores"] == ["12"]


def test_saturday_with_one_row_for_the_store(tmp_path: Path) -> None:
    source = tmp_path / "saturday"
    source.mkdir()
    for path in SATURDAY.iterdir():
        text = path.read_text(encoding="utf-8")
        (source / path.name).write_text(text.replace("12,lakes\n", ""), encoding="utf-8")
    done = enrich(source, tmp_path / "lines.csv", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / "lines.csv")) == len(rows(SATURDAY / "orders.csv"))
