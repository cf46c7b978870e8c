"""A widened wall fails here: what a box can see and do stands in tests/probe/golden-*.json."""

import json
import pathlib
import shutil

import docker
import pytest

from grader.catalog import Kata
from grader.engines.base import Engine
from grader.engines.docker import DockerEngine
from grader.verdict import Outcome
from tests.conftest import ROOT, engine_or_skip
from tests.gradings import grade_code, with_limits

PROBE = ROOT / "tests" / "probe"


@pytest.fixture(scope="module")
def refused_by_docker() -> list[int]:
    """Numbers of the system calls that Docker's default filter refuses; none without Docker."""
    try:
        engine = engine_or_skip("docker")
    except pytest.skip.Exception:
        return []
    assert isinstance(engine, DockerEngine)
    program = (PROBE / "adder.py").read_text() + "\nprint(refused_numbers())"
    told = docker.from_env().containers.run(
        str(engine.image), ["python", "-c", program], network_mode="none", cap_drop=["ALL"],
        user="65534:65534", security_opt=["no-new-privileges:true"], remove=True,
    )  # fmt: skip
    numbers: list[int] = json.loads(told)
    assert len(numbers) > 100
    return numbers


def test_a_box_sees_and_does_no_more_than_the_golden_list(
    isolating: Engine, toy: Kata, refused_by_docker: list[int]
) -> None:
    hidden = pathlib.Path(toy.solutions, "hidden")
    (hidden / "test_adder.py").unlink()
    shutil.copy(PROBE / "test_probe.py", hidden)
    shutil.copy(PROBE / "golden.json", hidden)
    (hidden / "refused.json").write_text(json.dumps(refused_by_docker))
    patient = with_limits(toy, behaviour_seconds=60, wall_seconds=120)
    verdict = grade_code(isolating, patient, (PROBE / "adder.py").read_text())
    findings = [result.finding for result in verdict.behaviours if not result.passed]
    assert verdict.outcome is Outcome.PASSED, findings
