"""Short ways to grade made-up submissions of the toy kata."""

import dataclasses
import pathlib

from grader import grading
from grader.catalog import Kata
from grader.engines.base import Engine
from grader.errors import GraderError
from grader.submission import Submission
from grader.verdict import BehaviourResult, Verdict

#: A right answer of the toy kata; attacks begin or end with it, so that they could pass.
RIGHT = (
    pathlib.Path(__file__).parent / "toy/solutions/01-toy/adder/reference/adder.py"
).read_text()


#: Kept from test to test, by engine and whether it is warm: a start costs more than a grading.
_slots: dict[tuple[str, bool], grading.KeptSlot] = {}


def grade_files(
    engine: Engine, kata: Kata, files: dict[str, str], seed: int = 7, *,
    only: frozenset[str] | None = None,
) -> Verdict:  # fmt: skip
    """The verdict on files given as text, of all behaviours or only some (ids)."""
    submission = Submission({name: text.encode() for name, text in files.items()})
    key = engine.name, getattr(engine, "warm", False)
    slot = _slots.setdefault(key, grading.KeptSlot(engine))
    return slot.grade(grading.Task(kata, submission, seed, only=only))


def grade_code(
    engine: Engine, kata: Kata, code: str, seed: int = 7, *, only: frozenset[str] | None = None
) -> Verdict:
    """The verdict on adder.py with this text."""
    return grade_files(engine, kata, {"adder.py": code}, seed, only=only)


def grade_anew(
    engine: Engine, kata: Kata, code: str, *, only: frozenset[str] | None = None
) -> Verdict:
    """The same, on a slot that is begun and ended for it."""
    task = grading.Task(kata, Submission({"adder.py": code.encode()}), 7, only=only)
    [(_, verdict)] = grading.grade_all(engine, [task], jobs=1)
    if isinstance(verdict, GraderError):
        raise verdict
    return verdict


def end_slots() -> None:
    """Takes down what `grade_files` has kept."""
    while _slots:
        _slots.popitem()[1].end()


def with_limits(kata: Kata, **limits: int) -> Kata:
    """The same kata with other limits."""
    changed = kata.limits.model_copy(update=limits)
    contract = kata.contract.model_copy(update={"limits": changed})
    return dataclasses.replace(kata, contract=contract)


def result(verdict: Verdict, behaviour: str) -> BehaviourResult:
    return next(each for each in verdict.behaviours if each.id == behaviour)


def shape(verdict: Verdict) -> dict[str, tuple[str, str | None]]:
    """What must be the same on every engine: each behaviour's outcome and cause."""
    return {each.id: (each.outcome.value, each.cause and each.cause.value)
            for each in verdict.behaviours}  # fmt: skip
