"""The front doors: nox passes on what the commands say, on the right stream, with their codes."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from tests.conftest import ROOT
from tests.machine import eventually, offspring

NOX = shutil.which("nox") or shutil.which("nox", path=str(ROOT / ".venv/bin"))
pytestmark = pytest.mark.skipif(NOX is None, reason="nox itself is not on PATH")


def nox(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(NOX), "-s", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8",
        env={**os.environ, "COLUMNS": "80"}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


#: The starter as a submission elsewhere: these tests are no attempts of whoever runs them.
[STARTER] = ROOT.glob("katas/*/who-owns-this")


def folder_of(answer: str) -> str:
    [folder] = ROOT.glob(f"solutions/*/who-owns-this/{answer}")
    return str(folder)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["who-owns-this", "--from", folder_of("reference")], 0),
     (["who-owns-this", "--from", str(STARTER)], 1), (["unmonitred-endpoint"], 2),
     (["who-owns-this", "--engine", "vm"], 2)],
    ids=["passed", "not passed", "no such kata", "no such engine"],
)  # fmt: skip
def test_exit_codes(arguments: list[str], code: int) -> None:
    done = nox("grade", "--", *arguments)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr


def test_json_through_nox() -> None:
    done = nox("grade", "--", "who-owns-this", "--from", str(STARTER), "--json")
    assert json.loads(done.stdout)["outcome"] == "failed"


def test_the_doctor_agrees_that_nox_has_made_the_environment() -> None:
    done = nox("doctor")
    assert "as in requirements.lock" in done.stdout, done


def test_an_older_python_is_told(tmp_path: pathlib.Path) -> None:
    text = (ROOT / "noxfile.py").read_text("utf-8")
    text = text.replace("OLDEST_PYTHON = (3, 11)", "OLDEST_PYTHON = (9, 0)")
    (tmp_path / "noxfile.py").write_text(text)
    done = nox("env", "-f", str(tmp_path / "noxfile.py"))
    assert done.returncode == 1
    assert "is too old; install 3.11 or newer" in done.stderr


def test_interrupted() -> None:
    process = subprocess.Popen(
        [str(NOX), "-s", "grade", "--", "flaky-provider", "--engine", "process"], cwd=ROOT,
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        # nox, the command, its judge: by then the command minds signals.
        assert eventually(lambda: len(offspring(process.pid)) >= 2, 60)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: to nox and the grader at once
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()


def test_every_session_says_what_it_is_for() -> None:
    listed = subprocess.run(
        [str(NOX), "-l"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout
    for session in (
        "env", "grade", "watch", "map", "verify", "doctor", "cohort", "tests", "lint", "lock"
    ):  # fmt: skip
        assert f" {session} -> " in listed


def test_the_readme_opens_with_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    commands = [line for line in text.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("-s grade")
    assert commands[1].endswith("-s tests")
    assert text.index(commands[1]) < text.index("\n## ")
