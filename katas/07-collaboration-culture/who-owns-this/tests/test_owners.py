"""What the weekend of 28 March should have shown. Passing these is a beginning, not the end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent.parent
EXAMPLE = HERE / "example"


def owners(folder: Path, now: str = "2026-03-30T10:00:00+02:00") -> tuple[int, dict[str, Any]]:
    """Exit code and report for a folder with repo/, org.json, change.json and alerts.json."""
    out = folder / "report.json"
    command = [sys.executable, "-m", "owners", "--repo", str(folder / "repo"), "--now", now]
    for name in ("org", "change", "alerts"):
        command += [f"--{name}", str(folder / f"{name}.json")]
    done = subprocess.run([*command, "--out", str(out)], cwd=HERE, capture_output=True, text=True)
    assert out.exists(), done.stderr
    return done.returncode, json.loads(out.read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, to be changed by the test."""
    place = tmp_path / "repo/.github/CODEOWNERS"
    place.parent.mkdir(parents=True)
    place.write_text((EXAMPLE / "repo/.github/CODEOWNERS").read_text())
    for name in ("org.json", "change.json", "alerts.json"):
        (tmp_path / name).write_text((EXAMPLE / name).read_text())
    return tmp_path


def by(entries: list[dict[str, Any]], field: str, value: str) -> dict[str, Any]:
    (entry,) = [entry for entry in entries if entry[field] == value]
    return entry


def test_finds_the_file(folder: Path) -> None:
    _, report = owners(folder)
    assert report["codeowners"] == ".github/CODEOWNERS"


def test_a_rule_for_everything(folder: Path) -> None:
    change = {"author": "@plover", "files": [{"path": "Makefile"}]}
    (folder / "change.json").write_text(json.dumps(change))
    _, report = owners(folder)
    assert by(report["paths"], "path", "Makefile")["reviewers"] == ["@heron", "@wren"]


def test_only_the_last_rule_is_asked(folder: Path) -> None:
    _, report = owners(folder)
    windows = by(report["paths"], "path", "features/windows.sql")
    assert windows == {
        "path": "features/windows.sql",
        "line": 9,
        "state": "covered",
        "reviewers": ["@wren"],
    }


def test_velocity_has_nobody_left(folder: Path) -> None:
    code, report = owners(folder)
    assert code == 1
    assert by(report["paths"], "path", "features/velocity.py")["state"] == "stranded"
    assert {"line": 5, "kind": "nobody-left", "what": "@dunlin"} in report["problems"]


def test_winter_shift(folder: Path) -> None:
    _, report = owners(folder, "2026-01-12T08:30:00+01:00")
    assert by(report["alerts"], "id", "queue-depth")["notify"] == "@heron"
    _, report = owners(folder, "2026-01-12T09:30:00+01:00")
    assert by(report["alerts"], "id", "queue-depth")["notify"] == "@wren"


def test_summer_shift(folder: Path) -> None:
    _, report = owners(folder, "2026-03-30T09:30:00+02:00")
    assert by(report["alerts"], "id", "queue-depth")["notify"] == "@heron"


def test_the_alert_of_a_team_that_is_gone(folder: Path) -> None:
    _, report = owners(folder)
    alert = by(report["alerts"], "id", "score-shift")
    assert alert["notify"] is None
    assert alert["problems"] == ["unknown-owner"]
