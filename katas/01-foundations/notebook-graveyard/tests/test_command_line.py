"""What the Monday job needs. Start with `pytest tests` from this folder."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent


def churn(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "churn", *map(str, arguments)]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """The model folder, the exit code and what came on standard error."""
    folder = tmp_path_factory.mktemp("models") / "october"
    done = churn("train", "--data", HERE / "customers.csv", "--out", folder)
    return folder, done.returncode, done.stderr


@pytest.mark.parametrize("verb", [[], ["train"], ["predict"]])
def test_help(verb: list[str]) -> None:
    done = churn(*verb, "--help")
    assert done.returncode == 0
    assert "--out" in done.stdout or "predict" in done.stdout


def test_unknown_command_is_refused() -> None:
    assert churn("retrain").returncode == 2


def test_train_ends_well(training: tuple[Path, int, str]) -> None:
    _, code, complaint = training
    assert code == 0, complaint


def test_train_writes_its_metrics(training: tuple[Path, int, str]) -> None:
    model, _, _ = training
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["n_train"] + metrics["n_test"] == 4000
    assert metrics["auc"] > 0.7
    assert 0 < metrics["threshold"] < 1


def test_train_writes_its_split(training: tuple[Path, int, str]) -> None:
    model, _, _ = training
    split = rows(model / "split.csv")
    assert len(split) == 4000
    assert {row["fold"] for row in split} == {"train", "test"}


def test_predict_scores_every_customer(training: tuple[Path, int, str], tmp_path: Path) -> None:
    model, _, _ = training
    lines = (HERE / "customers.csv").read_text().splitlines(keepends=True)
    monday = tmp_path / "monday.csv"
    monday.write_text("".join(lines[:301]))
    done = churn("predict", "--model", model, "--in", monday, "--out", tmp_path / "calls.csv")
    assert done.returncode == 0, done.stderr
    scored = rows(tmp_path / "calls.csv")
    assert len(scored) == 300
    assert {row["call"] for row in scored} == {"0", "1"}
    assert json.loads((tmp_path / "calls.csv.report.json").read_text())["rows"] == 300
