"""The doctor: what is there, what mends what is not, and that nothing keeps it from its end."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest

from grader.catalog import Kata
from grader.cli import health
from grader.cli.health import Check, State
from grader.engines.bubblewrap import find_bwrap
from tests.commands import KATA, kata, on_terminal
from tests.conftest import ROOT

NAMES = ("Python", "katas", "libraries", "engine docker", "engine bubblewrap", "engine process",
         "disk, temporary files", "memory", "clock", "terminal")  # fmt: skip


def checked(checks: list[Check], name: str) -> Check:
    [check] = [check for check in checks if check.name == name]
    return check


def test_a_line_for_each_thing_and_a_step_for_each_problem(toy: Kata) -> None:
    done = kata(toy.folder, "doctor")
    for name in NAMES:
        assert re.search(rf"(?m)^(✓|!|✗) +{name}: ", done.stdout), done.stdout
    problems = len(re.findall(r"(?m)^[!✗]", done.stdout))
    assert done.stdout.count("mend it: ") == problems
    for line in done.stdout.splitlines():
        assert len(line) <= 80 or " " not in line.strip()  # a path stays whole
    works = re.search(r"engine (docker|bubblewrap): works", done.stdout)
    assert done.returncode == (0 if works else 4)
    plain = kata(toy.folder, "doctor", PYTHONIOENCODING="ascii").stdout
    assert plain.isascii()
    assert "ok Python: " in plain
    assert "export LC_ALL=C.UTF-8" in plain


def bare(tmp_path: pathlib.Path) -> tuple[pathlib.Path, dict[str, str]]:
    """The grader alone, without katas, on a machine that has nothing for it."""
    shutil.copytree(ROOT / "grader", tmp_path / "alone/grader")
    env = {
        "PYTHONPATH": str(tmp_path / "alone"), "PATH": "/nowhere", "COLUMNS": "80",
        "DOCKER_HOST": "unix:///nowhere/docker.sock", "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    return tmp_path / "alone", env


def test_on_a_machine_that_has_nothing(tmp_path: pathlib.Path) -> None:
    folder, env = bare(tmp_path)
    done = subprocess.run([*KATA, "doctor"], cwd=folder, env=env, capture_output=True,
                          encoding="utf-8", stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 4, done
    text = " ".join(done.stdout.split())
    assert "✗ katas: no folder katas/" in text
    assert "mend it: git checkout -- katas" in text
    assert "✗ engine docker: no Docker engine answers at DOCKER_HOST=unix:///nowhere" in text
    assert "mend it: unset DOCKER_HOST" in text
    assert "✗ engine bubblewrap: " in text
    assert "✓ engine process: works, without isolation" in text
    assert "Traceback" not in done.stderr


def test_on_a_disk_that_cannot_be_written(tmp_path: pathlib.Path) -> None:
    bwrap = find_bwrap()
    read_only = [str(bwrap), "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--"]
    if bwrap is None or subprocess.run([*read_only, "true"], capture_output=True).returncode:
        pytest.skip("bwrap does not work here")
    folder, env = bare(tmp_path)
    done = subprocess.run([*read_only, *KATA, "doctor"], cwd=folder, env=env, capture_output=True,
                          encoding="utf-8", stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 4, done
    text = " ".join(done.stdout.split())
    assert "✗ disk, temporary files: no folder for them can be written" in text
    assert "mend it: mkdir -p ~/tmp && export TMPDIR=~/tmp" in text
    for name in NAMES:
        assert f" {name}: " in text
    assert "Traceback" not in done.stderr


def test_a_broken_kata(toy: Kata) -> None:
    (toy.folder / "kata.toml").write_text("title = 1")
    check = checked(health.examine(toy.folder), "katas")
    assert check.state is State.BAD
    assert check.mend == f"git checkout -- {toy.folder / 'kata.toml'}"


def test_a_clone_without_hidden_tests(toy: Kata) -> None:
    shutil.rmtree(toy.folder.parents[2] / "solutions")
    check = checked(health.examine(toy.folder), "katas")
    assert check.state is State.NOTE
    assert "kata grade runs the visible tests" in check.found
    assert "git checkout -- solutions" in (check.mend or "")


def test_libraries_and_the_lock(
    toy: Kata, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = toy.folder.parents[2]
    lock = root / "requirements.lock"
    marker = "; python_version < '3'"
    lock.write_text(f"click=={health._version('click')} \\\n    --hash=x\nno-such=={1} {marker}\n")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    stamp = tmp_path / "kata.stamp"

    def look() -> Check:
        return checked(health.examine(toy.folder), "libraries")

    assert look() == Check("libraries", State.GOOD, "1, as in requirements.lock")
    stamp.write_text("of an older lock")
    check = look()
    assert (check.state, check.mend) == (State.NOTE, "nox -s env")
    lock.write_text("click==0.1\nno-such-library==1\n")
    check = look()
    assert "no-such-library missing" in check.found
    assert check.mend == "nox -s env"
    stamp.write_text(health._wanted_stamp(root))
    assert look().mend == "nox --reuse-venv never -s env"
    lock.write_text("<<<<<<< HEAD\nclick==0.1\n")
    assert look().mend == "git checkout -- requirements.lock"
    lock.unlink()
    assert look().mend == "git checkout -- requirements.lock"


def test_clock_and_memory(toy: Kata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_available_mb", lambda: 300)
    later = time.time() + 24 * 3600
    os.utime(toy.folder.parents[2] / "pyproject.toml", (later, later))
    checks = health.examine(toy.folder)
    assert "earlier than files of your clone" in checked(checks, "clock").found
    assert checked(checks, "memory").state is State.NOTE
    assert checked(checks, "memory").found.startswith("300 MB available")
    assert checked(checks, "memory").mend.endswith("kata grade -j 1")


def test_a_full_disk(toy: Kata, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.disk_usage("/")
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: real._replace(free=10**8))
    checks = health.examine(toy.folder)
    temporary = checked(checks, "disk, temporary files")
    assert (temporary.state, temporary.mend) == (State.NOTE, health._OTHER_TMP)
    assert "95 MB free" in temporary.found
    clone = checked(checks, "disk, your clone")
    assert clone.state is State.NOTE
    assert clone.mend in ("uv cache clean", "python -m pip cache purge")


def test_the_clock_of_docker(toy: Kata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_docker_drift", lambda: -90.0)
    check = checked(health.examine(toy.folder), "clock")
    assert (check.state, check.mend) == (State.NOTE, "docker desktop restart")
    assert "-90 s" in check.found


def test_one_check_that_breaks_keeps_nothing_from_the_others(
    toy: Kata, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> int:
        raise OSError("the kernel is on holiday")

    monkeypatch.setattr(health, "_available_mb", broken)
    checks = health.examine(toy.folder)
    assert "the kernel is on holiday" in checked(checks, "memory").found
    assert {check.name for check in checks} >= set(NAMES)


def test_a_small_terminal(toy: Kata) -> None:
    text = on_terminal(toy.folder, "doctor", columns=60, lines=20)
    assert "! terminal: 60 columns, 20 lines, no colour, for NO_COLOR is set" in text
    assert r"mend it: printf '\033[8;24;80t'" in text


@pytest.mark.timeout(60)  # with the patience that work needs it would be two minutes for each look
def test_a_docker_that_never_answers(toy: Kata, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("DOCKER_HOST", host)
        check = checked(health.examine(toy.folder), "engine docker")
    assert check.found == f"no Docker engine answers at DOCKER_HOST={host}"
