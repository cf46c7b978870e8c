"""Every kata of the repository proves itself, and gets the same verdict from every engine."""

import os
import pathlib
import re
from collections.abc import Iterable

import pytest

from grader.catalog import Catalog, Kata
from grader.engines.base import Engine
from grader.grading import new_seed
from grader.verify import Cell, answers, check_words, verify
from tests.conftest import ISOLATING, ROOT, cold, engine_or_skip
from tests.gradings import shape
from tests.transcripts import WRITE, differences, path_of, transcript

KATAS = Catalog(ROOT).katas
#: The same in every run: a suite that is red by chance proves nothing. `nox -s verify` draws new
#: seeds, and is where one looks for answers that are judged by luck.
SEED = 20_260_101
#: Most of a grading is waiting (deadlines, starts), so more slots than processors pay.
JOBS = (os.cpu_count() or 1) * 2
#: By answer and behaviour: outcome and cause.
_Shapes = dict[str, dict[str, tuple[str, str | None]]]


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


@pytest.mark.parametrize("pillar", sorted({kata.folder.parent for kata in KATAS}),
                         ids=lambda folder: folder.name)  # fmt: skip
def test_chapter(pillar: pathlib.Path) -> None:
    """Each pillar has its chapter, which leads to all of its katas, the gentle ones first."""
    text = (pillar / "README.md").read_text("utf-8")
    assert 800 <= len(text.split()) <= 1500
    for part in ("```mermaid", "## A mistake", "## Checklist", "## Trade-offs", "## Katas"):
        assert part in text
    linked = re.findall(r"^\d\. \[.+\]\(([a-z-]+)/README\.md\)", text, re.MULTILINE)
    assert linked == [kata.short_name for kata in KATAS if kata.folder.parent == pillar]


@pytest.mark.timeout(1500)
def test_proves_itself(kata: Kata, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starter fails, right answers pass, wrong ones fail where they say, on every engine alike.

    What is said of the wrong ones is as in tests/transcripts.
    """
    engines = _isolating()
    cells = list(verify([kata], engines[0], [SEED], JOBS))
    assert _broken(cells) == []
    assert len(cells) == len(answers(kata))
    said = transcript(kata, cells, monkeypatch)
    if WRITE:
        path_of(kata).write_text(said, "utf-8")
    assert differences(kata, said) == [], "read it, then KATA_WRITE_TRANSCRIPTS=1"
    for engine in engines[1:]:
        _assert_same(_shapes(cells), kata, engine, SEED, JOBS)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_every_way_comes_to_the_same_verdict(kata: Kata) -> None:
    """Warm and cold, on one slot that tries behaviours side by side and on many, on each engine."""
    engines, seed = _isolating(), new_seed()
    first = _shapes(verify([kata], engines[0], [seed], 1))
    for engine in engines:
        for way, jobs in ((engine, 1), (engine, JOBS), (cold(engine), JOBS)):
            _assert_same(first, kata, way, seed, jobs)


def _assert_same(first: _Shapes, kata: Kata, engine: Engine, seed: int, jobs: int) -> None:
    """Same outcomes and causes."""
    again = list(verify([kata], engine, [seed], jobs))
    assert _broken(again) == []
    assert _differences(_shapes(again), first) == [], f"{engine.name}, {jobs} slots"


def _isolating() -> list[Engine]:
    """Those that work here; skips when there is none, and as KATA_REQUIRE_ENGINES demands."""
    engines = []
    for name in reversed(ISOLATING):  # the one that starts quicker does most of the work
        try:
            engines.append(engine_or_skip(name))
        except pytest.skip.Exception as missing:
            reason = missing
    if not engines:
        raise reason
    return engines


def _broken(cells: list[Cell]) -> list[str]:
    return [f"{cell.answer}, seed {cell.seed}: {cell.broke}" for cell in cells if cell.broke]


def _shapes(cells: Iterable[Cell]) -> _Shapes:
    return {cell.answer: shape(cell.verdict) for cell in cells if cell.verdict}


def _differences(one: _Shapes, other: _Shapes) -> list[str]:
    return [
        f"{answer}: {behaviour}: {one[answer][behaviour]}, {other[answer][behaviour]}"
        for answer in sorted(one.keys() | other.keys())
        for behaviour in one[answer]
        if one[answer][behaviour] != other[answer][behaviour]
    ]
