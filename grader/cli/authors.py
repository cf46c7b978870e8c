"""The authors' commands: verify and new."""

import sys
from collections.abc import Mapping, Sequence

import click
from rich.text import Text

from grader import grading, scaffold
from grader import mutants as mutating
from grader import verify as verifying
from grader.catalog import Kata
from grader.cli import screen
from grader.cli.arguments import (
    NOT_PASSED,
    PASSED,
    chosen_engine,
    chosen_katas,
    engine_option,
    examples,
    find_catalog,
    jobs_option,
    kata_names,
)
from grader.engines.base import Engine
from grader.errors import GraderError
from grader.mutants import Tried
from grader.verdict import Outcome
from grader.verify import Cell

_HELD, _BROKE = Text(screen.YES, "green"), Text(screen.NO, "red")


@click.command(
    epilog=examples(
        "kata verify flaky-provider               the whole matrix, for five seeds",
        "kata verify flaky-provider --seeds 50    to find what holds nearly always",
        "kata verify flaky-provider --mutants     does it notice small mistakes?",
        "kata verify --flakes 20                  does it hold on a busy machine?",
    )
)
@kata_names
@engine_option
@jobs_option
@click.option("--seeds", type=click.IntRange(1), default=5, help="Seeds per answer. [default: 5]")
@click.option("--mutants", is_flag=True, help="Try the reference with small mistakes instead.")
@click.option(
    "--flakes", type=click.IntRange(1), metavar="N",
    help="Grade each right answer N times on a busy machine instead.",
)  # fmt: skip
def verify(
    names: tuple[str, ...],
    engine_name: str,
    jobs: int,
    seeds: int,
    mutants: bool,
    flakes: int | None,
) -> None:
    """Prove that KATA accepts right answers, rejects wrong ones.

    Without a name: every kata. Each answer below solutions/ is graded once for each seed.

    Exit code: 0 all as declared, 1 not, 2 usage, 4 trouble of an engine or the grader.
    """
    catalog = find_catalog()
    katas = chosen_katas(catalog, names, all_katas=not names)
    problems = [problem for kata in katas for problem in verifying.check_words(kata)]
    if problems:
        for problem in problems:
            _print_broken(problem)
        sys.exit(NOT_PASSED)
    engine = chosen_engine(engine_name)
    if mutants:
        sys.exit(_verify_mutants(katas, engine, jobs))
    if flakes:
        sys.exit(_verify_flakes(katas, engine, jobs, flakes))
    drawn = [grading.new_seed() for _ in range(seeds)]
    total = sum(len(verifying.answers(kata)) for kata in katas) * seeds
    cells = []
    with screen.progress("verifying", total) as advance:
        for cell in verifying.verify(katas, engine, drawn, jobs):
            cells.append(cell)
            advance(f"{cell.kata.short_name}: {cell.answer}")
    for kata in katas:
        _print_matrix(kata, drawn, [cell for cell in cells if cell.kata is kata])
    sys.exit(NOT_PASSED if any(cell.broke for cell in cells) else PASSED)


def _verify_mutants(katas: list[Kata], engine: Engine, jobs: int) -> int:
    tried = []
    with screen.progress("trying mutants", mutating.COUNT * len(katas)) as advance:
        for one in mutating.attempt(katas, engine, jobs):
            tried.append(one)
            advance(f"{one.kata.short_name}: {one.mutant.file}")
    by_kata = {kata.short_name: [one for one in tried if one.kata is kata] for kata in katas}
    _print_mutants(by_kata)
    rates = [mutating.killed(ours) / len(ours) for ours in by_kata.values()]
    return PASSED if min(rates) >= mutating.ENOUGH else NOT_PASSED


def _verify_flakes(katas: list[Kata], engine: Engine, jobs: int, count: int) -> int:
    cells = []
    right = sum(fails is None for kata in katas for fails in verifying.answers(kata).values())
    with screen.progress("looking for flakes", right * count) as advance:
        for cell in verifying.flakes(katas, engine, count, jobs):
            cells.append(cell)
            advance(f"{cell.kata.short_name}: {cell.answer}")
    for kata in katas:
        _print_flakes(kata, [cell for cell in cells if cell.kata is kata])
    return NOT_PASSED if any(cell.broke for cell in cells) else PASSED


@click.command(epilog=examples("kata new 02-data/late-rows"))
@click.argument("name", metavar="PILLAR/KATA")
def new(name: str) -> None:
    """Lay out a new kata, whose proof says what is missing."""
    made = scaffold.lay_out(find_catalog(), name)
    screen.say(f"made {', '.join(map(str, made))}; kata verify {name} says what is missing")


def _print_matrix(kata: Kata, seeds: Sequence[int], cells: Sequence[Cell]) -> None:
    """Answers by seeds, and each cell that broke in words."""
    screen.print_line(kata.name, "bold")
    answers = list(dict.fromkeys(sorted((cell.answer for cell in cells), key=_order)))
    rows: list[list[str | Text]] = []
    for answer in answers:
        by_seed = {cell.seed: cell for cell in cells if cell.answer == answer}
        times = sorted(cell.verdict.seconds for cell in by_seed.values() if cell.verdict)
        must = "fail" if answer.startswith(("starter", "wrong")) else "pass"
        rows.append([answer, must, *(_BROKE if by_seed[seed].broke else _HELD for seed in seeds),
                     f"{times[len(times) // 2]:.1f}" if times else ""])  # fmt: skip
    # Narrow, so that five fit beside the longest names.
    numbers = ["seed 1", *(str(number) for number in range(2, len(seeds) + 1))]
    screen.print_table(["answer", "must", *numbers, "seconds"], rows, words=["must"])
    for cell in cells:
        if cell.broke:
            _print_broken(f"{kata.short_name}, {cell.answer}, seed {cell.seed}: {cell.broke}")


def _print_mutants(by_kata: Mapping[str, Sequence[Tried]]) -> None:
    """How many of each kata's mutants were noticed, then each that was not."""
    rows = []
    for name, tried in by_kata.items():
        noticed = mutating.killed(tried)
        rows.append([name, str(len(tried)), str(noticed), f"{noticed / len(tried):.0%}"])
    screen.print_table(["kata", "mutants", "noticed", "rate"], rows)
    for name, tried in by_kata.items():
        for one in tried:
            if one.survived:
                _print_broken(f"{name}: not noticed: {one.mutant}")
            elif one.trouble:
                _print_broken(f"{name}: grader trouble at {one.mutant}: {_trouble(one)}")


def _trouble(one: Tried) -> str:
    if isinstance(one.verdict, GraderError):
        return str(one.verdict)
    return "; ".join(str(result.finding and result.finding.observed)
                     for result in one.verdict.behaviours
                     if result.outcome is Outcome.TROUBLE)  # fmt: skip


def _print_flakes(kata: Kata, cells: Sequence[Cell]) -> None:
    """How often right answers passed, and the seed of each grading that did not."""
    broken = [cell for cell in cells if cell.broke]
    passed = len(cells) - len(broken)
    told = f"{kata.name}: {passed} of {len(cells)} gradings passed"
    if broken:
        _print_broken(told)
    else:
        screen.print_line(f"{screen.YES} {told}", "green")
    for cell in broken:
        screen.print_line(f"  {cell.answer}, seed {cell.seed}: {cell.broke}", "red")


def _order(answer: str) -> tuple[int, str]:
    return ("starter", "reference", "also_right", "wrong").index(answer.partition("/")[0]), answer


def _print_broken(text: str) -> None:
    screen.print_line(f"{screen.NO} {text}", "red")
