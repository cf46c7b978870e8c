"""What the study group needs. Start with `pytest tests` from this folder."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent.parent


def evaluate(panel: Path, spec: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evaluate", "--in", panel, "--spec", spec, "--out", out]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report on the study's own panel."""
    out = tmp_path_factory.mktemp("reports") / "report.json"
    done = evaluate(HERE / "panel.csv", HERE / "spec.json", out)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def patient_of() -> dict[str, str]:
    with (HERE / "panel.csv").open(newline="") as stream:
        return {row["sample"]: row["patient"] for row in csv.DictReader(stream)}


def test_report_has_its_fields(report: dict[str, Any]) -> None:
    assert set(report) >= {"seed", "mean", "features", "excluded", "folds"}
    assert len(report["folds"]) == 5
    for fold in report["folds"]:
        assert 0 <= fold["auc"] <= 1
        assert len(fold["predicted"]) == len(fold["test"])


def test_every_sample_is_tested_once(report: dict[str, Any], patient_of: dict[str, str]) -> None:
    tested = [sample for fold in report["folds"] for sample in fold["test"]]
    assert sorted(tested) == sorted(patient_of)


def test_features_and_excluded_are_all_columns(report: dict[str, Any]) -> None:
    with (HERE / "panel.csv").open(newline="") as stream:
        header = next(csv.reader(stream))
    listed = [*report["features"], *(entry["column"] for entry in report["excluded"])]
    assert sorted([*listed, "relapse"]) == sorted(header)


def test_the_panel_is_no_better_than_the_clinic_found(report: dict[str, Any]) -> None:
    assert report["mean"] < 0.75


def test_no_patient_is_on_both_sides(report: dict[str, Any], patient_of: dict[str, str]) -> None:
    for fold in report["folds"]:
        train = {patient_of[sample] for sample in fold["train"]}
        assert not train & {patient_of[sample] for sample in fold["test"]}


def test_a_coin_is_a_coin(tmp_path: Path) -> None:
    chance = random.Random(8)
    header = ["sample", "relapse", *(f"bm_{number}" for number in range(300))]
    rows = [
        [500 + row, row % 2, *(round(chance.gauss(10, 2), 2) for _ in header[2:])]
        for row in range(120)
    ]
    with (tmp_path / "noise.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    spec = {"target": "relapse", "id": "sample", "folds": 5, "select": 20, "seed": 1}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    out = tmp_path / "report.json"
    done = evaluate(tmp_path / "noise.csv", tmp_path / "spec.json", out)
    assert done.returncode == 0, done.stderr
    assert 0.25 < json.loads(out.read_text())["mean"] < 0.75
