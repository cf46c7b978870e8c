"""Every kata of the repository proves itself, and gets the same verdict from every engine."""

import os
from collections.abc import Iterator

import pytest

from grader.catalog import Catalog, Kata
from grader.engines.base import Engine
from grader.grading import Task, grade_all, new_seed
from grader.submission import collect
from grader.verdict import Verdict
from grader.verify import STARTER, Cell, answers, check_words, unproven, verify
from tests.conftest import ROOT, engine_or_skip
from tests.gradings import shape

KATAS = Catalog(ROOT).katas
SEEDS = 5
#: Most of a grading is waiting (deadlines, starts), so more slots than processors pay.
JOBS = (os.cpu_count() or 1) * 2


@pytest.fixture(params=KATAS, ids=lambda kata: kata.short_name)
def kata(request: pytest.FixtureRequest) -> Kata:
    return request.param  # type: ignore[no-any-return]


def test_words(kata: Kata) -> None:
    """README, kata.toml, tests and solutions agree, and the kata is of the size we promise."""
    assert check_words(kata) == []
    assert len(kata.behaviours) >= 9
    assert len({behaviour.group for behaviour in kata.behaviours}) >= 4
    assert len(kata.also_right()) >= 2
    assert len(kata.wrong()) >= 6


@pytest.mark.timeout(1500)
def test_proves_itself(kata: Kata) -> None:
    """Starter fails, right answers pass, wrong ones fail where they say, for several seeds."""
    engine = _first_isolating()
    seeds = [new_seed() for _ in range(SEEDS)]
    cells = list(verify([kata], engine, seeds, JOBS))
    assert _broken(cells) == []
    assert unproven(cells) == []
    assert len(cells) == len(answers(kata)) * SEEDS


@pytest.mark.timeout(1500)
def test_same_verdict_from_every_engine(kata: Kata) -> None:
    engines = [engine_or_skip(name) for name in ("docker", "bubblewrap")]
    seed = new_seed()
    shapes = [dict(_shapes(kata, engine, seed)) for engine in engines]
    assert shapes[0] == shapes[1], f"seed {seed}"


def _first_isolating() -> Engine:
    try:
        return engine_or_skip("docker")
    except pytest.skip.Exception:
        return engine_or_skip("bubblewrap")


def _broken(cells: list[Cell]) -> list[str]:
    return [f"{cell.answer}, seed {cell.seed}: {cell.broke}" for cell in cells if cell.broke]


def _shapes(kata: Kata, engine: Engine, seed: int) -> Iterator[tuple[str, object]]:
    """Per answer: which behaviours hold. Causes may differ in words where time is measured."""
    tasks = [
        Task(
            kata,
            collect(kata, kata.folder if name == STARTER else kata.solutions / name),
            seed,
            name,
        )
        for name in answers(kata)
    ]
    for task, verdict in grade_all(engine, tasks, JOBS):
        assert isinstance(verdict, Verdict), verdict
        yield task.label, shape(verdict)
