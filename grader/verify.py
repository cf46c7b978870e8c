"""Does a kata prove itself? Starter fails, right answers pass, wrong ones fail where they say."""

import contextlib
import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence

from grader import scaffold
from grader.catalog import REFERENCE, STARTER, Kata
from grader.engines.base import Engine
from grader.errors import GraderError
from grader.grading import Task, grade_all, left_out, new_seed
from grader.submission import collect
from grader.verdict import Outcome, Verdict

_HINTS = 3


@dataclasses.dataclass(frozen=True)
class Cell:
    """One answer graded with one seed. `broke` says how it differs from what it should do."""

    kata: Kata
    answer: str
    seed: int
    verdict: Verdict | None
    broke: str | None


def check_words(kata: Kata) -> list[str]:
    """What is wrong between kata.toml, README, hidden tests and solutions, without running them."""
    problems = scaffold.left_over(kata.folder, kata.solutions)
    try:
        _ = kata.hidden_tests
        named = {id for fails in answers(kata).values() for id in fails or ()}
        for part in (REFERENCE, "README.md"):
            if not (kata.solutions / part).exists():
                problems.append(f"{kata.solutions / part} is missing")
        starter = collect(kata, kata.folder)
    except GraderError as error:
        return [*problems, str(error)]
    problems += [
        f"{kata.solutions / 'solutions.toml'}: neither the starter nor a wrong answer names "
        f"`{behaviour.id}`: nothing shows that its test can fail; add one that does"
        for behaviour in kata.behaviours
        if behaviour.id not in named
    ]
    where = kata.folder / "README.md"
    declared = [behaviour.id for behaviour in kata.behaviours]
    promised = kata.promises
    for id in declared:
        if promised.count(id) != 1:
            problems.append(
                f"{where}: behaviour `{id}` stands {promised.count(id)} times under "
                "'## What must hold'; begin one list item with it"
            )
    for id in sorted(set(promised) - set(declared)):
        problems.append(f"{where}: promises `{id}`, which kata.toml does not declare")
    for upstream in kata.contract.upstreams:
        for variable in filter(None, (upstream.url, upstream.key, upstream.model)):
            if variable not in kata.readme:
                problems.append(
                    f"{kata.folder / 'kata.toml'}: upstreams: {variable} does not stand in the "
                    "README; say there what the environment gives"
                )
    if len(kata.hints) != _HINTS:
        problems.append(f"{where}: has {len(kata.hints)} hints; write {_HINTS}")
    if stray := left_out(kata):
        problems.append(
            f"{kata.folder / 'kata.toml'}: {', '.join(stray)}: neither editable nor fixed, so no "
            "box would have it; name it as one of the two"
        )
    if kata.contract.starter != starter.hash:
        problems.append(
            f"{kata.folder / 'kata.toml'}: starter: the editable files have changed; "
            f'if they are the starter, write starter = "{starter.hash}"'
        )
    return problems


def answers(kata: Kata) -> dict[str, Sequence[str] | None]:
    """Every answer of the kata by name; the value is where it must fail, None for a right one."""
    rows: dict[str, Sequence[str] | None] = {STARTER: kata.starter_fails(), REFERENCE: None}
    rows.update({f"also_right/{name}": None for name in sorted(kata.also_right())})
    wrong = kata.wrong()
    rows.update({f"wrong/{name}": wrong[name].fails for name in sorted(wrong)})
    return rows


def verify(
    katas: Iterable[Kata], engine: Engine, seeds: Sequence[int], jobs: int
) -> Iterator[Cell]:
    """Grades every answer of every kata with every seed; cells come as they are done.

    What must fail is tried only at the behaviours that it names.
    """
    expected: dict[tuple[str, str], Sequence[str] | None] = {}
    tasks = []
    for kata in katas:
        for answer, fails in answers(kata).items():
            expected[kata.name, answer] = fails
            submission = collect(kata, kata.answer(answer))
            only = None if fails is None else frozenset(fails)
            tasks += [Task(kata, submission, seed, answer, only) for seed in seeds]
    for task, verdict in grade_all(engine, tasks, jobs):
        yield _cell(task, verdict, expected[task.kata.name, task.label])


def flakes(katas: Iterable[Kata], engine: Engine, count: int, jobs: int) -> Iterator[Cell]:
    """Grades every right answer `count` times with fresh seeds, while the processors are busy."""
    tasks = [
        Task(kata, collect(kata, kata.answer(answer)), new_seed(), answer)
        for kata in katas
        for answer, fails in answers(kata).items()
        for _ in range(count)
        if fails is None
    ]
    with _busy():
        for task, verdict in grade_all(engine, tasks, jobs):
            yield _cell(task, verdict, None)


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """A process for each processor that computes all the while."""
    spin = [sys.executable, "-c", "while True: pass"]
    with contextlib.ExitStack() as ends:
        for _ in range(os.cpu_count() or 1):
            ends.callback(subprocess.Popen(spin).kill)
        yield


def _cell(task: Task, verdict: Verdict | GraderError, fails: Sequence[str] | None) -> Cell:
    if isinstance(verdict, GraderError):
        return Cell(task.kata, task.label, task.seed, None, str(verdict))
    return Cell(task.kata, task.label, task.seed, verdict, _broke(verdict, fails))


def _broke(verdict: Verdict, fails: Sequence[str] | None) -> str | None:
    wrong_at = {result.id: result for result in verdict.behaviours if not result.passed}
    if verdict.outcome is Outcome.TROUBLE:
        told = [str(r.finding and r.finding.observed) for r in wrong_at.values()
                if r.outcome is Outcome.TROUBLE]  # fmt: skip
        return f"grader trouble: {'; '.join(told)}"
    if fails is None and wrong_at:
        told = [
            f"{r.id} ({r.cause}: {r.finding and r.finding.observed})" for r in wrong_at.values()
        ]
        return f"should pass, but fails at {'; '.join(told)}"
    if missed := [id for id in fails or () if id not in wrong_at]:
        return f"should fail at {', '.join(missed)}, but holds there"
    return None
