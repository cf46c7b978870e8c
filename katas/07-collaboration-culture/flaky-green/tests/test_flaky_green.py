"""What the build agents see. Start with `python -m pytest tests` from this folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent


def suite(*options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "ci.gate", "-q", "--tb=line", *options]
    return subprocess.run(
        [*command, "suite"],
        cwd=HERE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_nothing_is_skipped() -> None:
    done = suite("--at-least", "24")
    assert "skipped or expected to fail" not in done.stdout
    assert "gate:" not in done.stdout


@pytest.mark.parametrize("order", ["1", "2", "3"])
def test_green_in_other_orders(order: str) -> None:
    done = suite("--order", order)
    assert done.returncode == 0, done.stdout


def test_green_on_the_last_of_january() -> None:
    done = suite("--now", "2026-01-31T16:10:00+00:00")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("seed", ["1", "2"])
def test_green_with_other_hash_seeds(seed: str) -> None:
    done = suite(PYTHONHASHSEED=seed)
    assert done.returncode == 0, done.stdout


def test_the_tests_do_not_sleep_long() -> None:
    done = suite("--naps", "0.5")
    assert "slept" not in done.stdout


def test_causes_can_be_read() -> None:
    causes = json.loads((HERE / "causes.json").read_text())
    assert all(set(entry) >= {"cause", "where"} for entry in causes.values())
