"""A widened wall fails here: what a box can see and do stands in tests/probe/golden-*.json."""

import pathlib
import shutil

from grader.catalog import Kata
from grader.engines.base import Engine
from grader.verdict import Outcome
from tests.conftest import ROOT
from tests.gradings import grade_code

PROBE = ROOT / "tests" / "probe"


def test_a_box_sees_and_does_no_more_than_the_golden_list(isolating: Engine, toy: Kata) -> None:
    hidden = pathlib.Path(toy.solutions, "hidden")
    (hidden / "test_adder.py").unlink()
    shutil.copy(PROBE / "test_probe.py", hidden)
    shutil.copy(PROBE / f"golden-{isolating.name}.json", hidden / "golden.json")
    verdict = grade_code(isolating, toy, (PROBE / "adder.py").read_text())
    assert verdict.outcome is Outcome.PASSED, verdict.behaviours[0].finding
