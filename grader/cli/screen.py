"""What a person sees: results on standard output, chatter on standard error.

Readable at 80 columns, without colour (NO_COLOR is honoured) and without Unicode.
"""

import contextlib
import json
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import rich.box
from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from grader.catalog import Catalog, Kata
from grader.errors import GraderError
from grader.mutants import Tried, killed
from grader.verdict import BehaviourResult, Cause, Outcome, Verdict
from grader.verify import Cell

_MAX_WIDTH = 100


def _console(stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False)
    if console.width > _MAX_WIDTH:
        console = Console(stderr=stderr, highlight=False, markup=False, width=_MAX_WIDTH)
    return console


_out = _console(stderr=False)
_err = _console(stderr=True)
_unicode = "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()
_YES, _NO = ("✓", "✗") if _unicode else ("ok", "NO")


def say(text: str) -> None:
    """A line of chatter."""
    _err.print(_plain(text), soft_wrap=True)


@contextlib.contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner; the function that it gives changes its words. On no terminal: lines."""
    if not _err.is_terminal:
        yield say
        return
    with _err.status(what) as status:
        yield lambda text: status.update(_plain(text))


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar; each call of the function that it gives is one step done."""
    if not _err.is_terminal:
        yield lambda text: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20),
               MofNCompleteColumn(), TextColumn("{task.fields[latest]}"))  # fmt: skip
    with Progress(*columns, console=_err, transient=True) as bar:
        task = bar.add_task(what, total=total, latest="")
        yield lambda text: bar.update(task, advance=1, latest=_plain(text))


def print_verdict(verdict: Verdict, *, titles_only: bool) -> None:
    """The whole verdict for a person."""
    if not verdict.isolated:
        _line("NOT ISOLATED: the code ran with all the rights of this user.", "bold red")
    _line(f"{verdict.title} ({verdict.kata})", "bold")
    engine = f"engine {verdict.engine}"
    _line(engine + (f", image {verdict.image}" if verdict.image else ""), "dim")
    _out.print()
    if verdict.refusal is not None:
        _line(f"{_NO} refused: {verdict.refusal}", "red")
        _line("  Nothing was run.")
        _out.print()
        return
    group = None
    for result in verdict.behaviours:
        if result.group != group:
            group = result.group
            _line(group[0].upper() + group[1:], "underline")
        _print_behaviour(result, titles_only)
    held = sum(result.passed for result in verdict.behaviours)
    _out.print()
    _line(
        f"{held} of {len(verdict.behaviours)} behaviours hold, "
        f"{verdict.points} of {verdict.points_possible} points, "
        f"{verdict.seconds:.1f} s, seed {verdict.seed}",
        "bold green" if verdict.outcome is Outcome.PASSED else "bold",
    )


def _print_behaviour(result: BehaviourResult, titles_only: bool) -> None:
    sign, style = (_YES, "green") if result.passed else (_NO, "red")
    row = Table.grid(padding=(0, 1))
    row.add_column(width=len(_NO))
    row.add_column()
    row.add_row(Text(sign, style), Text(_plain(result.sentence)))
    _out.print(Padding(row, (0, 0, 0, 1)))
    if result.passed or titles_only:
        return
    details = Table.grid(padding=(0, 2))
    details.add_column(width=8, style="dim")
    details.add_column()
    if result.cause not in (Cause.FAILED, None):
        details.add_row("cause", Text(str(result.cause), "yellow"))
    if result.finding is not None:
        for name in ("given", "observed", "expected"):
            if text := getattr(result.finding, name):
                details.add_row(name, Text(_plain(text)))
    _out.print(Padding(details, (0, 0, 0, 4)))


def print_next_step(verdict: Verdict, catalog: Catalog) -> None:
    """What to do now."""
    kata = catalog.get(verdict.kata)
    folder = kata.folder.relative_to(catalog.root).as_posix()
    _out.print()
    if verdict.outcome is Outcome.PASSED:
        place = catalog.katas.index(kata) + 1
        _line(f"Solved. The walkthrough: solutions/{kata.name}/README.md")
        if place < len(catalog.katas):
            _line(f"Next on the path: kata show {catalog.katas[place].short_name}")
    elif verdict.outcome is Outcome.TROUBLE:
        _line("Part of this was the grader's trouble, not yours: grade again, or report it.")
    else:
        _line(f"Next: read {folder}/README.md, mend the code beside it, then")
        _line(f"  nox -s grade -- {kata.short_name}")
        _line("Stuck? The hints are at the end of that README, from a nudge to nearly the answer.")


def print_summary(verdicts: Sequence[Verdict]) -> None:
    """One line for each of several verdicts."""
    table = Table(box=rich.box.SIMPLE if _unicode else rich.box.ASCII2)
    for heading in ("kata", "outcome", "behaviours", "points", "seconds"):
        table.add_column(heading)
    for verdict in verdicts:
        held = sum(result.passed for result in verdict.behaviours)
        table.add_row(
            verdict.kata.partition("/")[2], verdict.outcome.value,
            f"{held}/{len(verdict.behaviours)}", f"{verdict.points}/{verdict.points_possible}",
            f"{verdict.seconds:.1f}",
        )  # fmt: skip
    _out.print(table)


def print_json(verdicts: Sequence[Verdict], *, single: bool, titles_only: bool) -> None:
    """The verdict's document, or a list of them when several katas were asked for."""
    documents = [verdict.as_json() for verdict in verdicts]
    if titles_only:
        for document in documents:
            for behaviour in document["behaviours"]:
                behaviour["finding"] = None
    if single and not documents:
        return
    # Characters beyond ASCII are escaped: whatever reads this need not guess an encoding.
    sys.stdout.write(json.dumps(documents[0] if single else documents, indent=2) + "\n")


def print_list(katas: Sequence[Kata], changed: set[str]) -> None:
    table = Table(box=rich.box.SIMPLE if _unicode else rich.box.ASCII2)
    for heading in ("kata", "pillar", "level", "minutes", "changed"):
        table.add_column(heading)
    for kata in katas:
        pillar = kata.name.partition("/")[0]
        table.add_row(
            kata.short_name, pillar, kata.level_name, str(kata.contract.minutes),
            "yes" if kata.name in changed else "",
        )  # fmt: skip
    _out.print(table)


def print_readme(kata: Kata) -> None:
    """The README without its hints, which are asked for one by one."""
    text = re.sub(r"<details>.*?</details>\s*", "", kata.readme, flags=re.DOTALL)
    command = f"`kata show {kata.short_name} --hint 1`, then 2, then 3."
    print_markdown(re.sub(r"(?m)^## Hints\s*", f"## Hints\n\n{command}\n\n", text))


def print_markdown(text: str) -> None:
    _out.print(Markdown(text) if _out.is_terminal else text, soft_wrap=not _out.is_terminal)


def print_paths(paths: Iterable[pathlib.Path]) -> None:
    """What was written, one path a line, for the eye and for other programs."""
    for path in paths:
        _out.print(_plain(str(path)), soft_wrap=True)


def print_checks(rows: Sequence[tuple[str, bool, str]]) -> None:
    """What `doctor` has found."""
    for name, good, text in rows:
        _line(f"{_YES if good else _NO} {name}: {text}", "green" if good else "yellow")


def print_matrix(kata: Kata, seeds: Sequence[int], cells: Sequence[Cell]) -> None:
    """Answers by seeds, and each cell that broke in words."""
    _line(kata.name, "bold")
    answers = list(dict.fromkeys(sorted((cell.answer for cell in cells), key=_order)))
    table = Table(box=rich.box.SIMPLE if _unicode else rich.box.ASCII2)
    table.add_column("answer")
    table.add_column("must")
    for number in range(len(seeds)):
        table.add_column(f"seed {number + 1}", justify="center")
    table.add_column("seconds", justify="right")
    for answer in answers:
        by_seed = {cell.seed: cell for cell in cells if cell.answer == answer}
        marks = [Text(_NO, "red") if by_seed[s].broke else Text(_YES, "green") for s in seeds]
        times = sorted(cell.verdict.seconds for cell in by_seed.values() if cell.verdict)
        middle = f"{times[len(times) // 2]:.1f}" if times else ""
        must = "fail" if answer.startswith(("starter", "wrong")) else "pass"
        table.add_row(answer, must, *marks, middle)
    _out.print(table)
    for cell in cells:
        if cell.broke:
            _line(f"{_NO} {kata.short_name}, {cell.answer}, seed {cell.seed}: {cell.broke}", "red")


def print_mutants(by_kata: Mapping[str, Sequence[Tried]]) -> None:
    """How many of each kata's mutants were noticed, then each that was not."""
    table = Table(box=rich.box.SIMPLE if _unicode else rich.box.ASCII2)
    table.add_column("kata")
    for name in ("mutants", "noticed", "rate"):
        table.add_column(name, justify="right")
    for name, tried in by_kata.items():
        noticed = killed(tried)
        table.add_row(name, str(len(tried)), str(noticed), f"{noticed / len(tried):.0%}")
    _out.print(table)
    for name, tried in by_kata.items():
        for one in tried:
            if one.survived:
                _line(f"{_NO} {name}: not noticed: {one.mutant}", "red")
            elif one.trouble:
                _line(f"{_NO} {name}: grader trouble at {one.mutant}: {_trouble(one)}", "red")


def _trouble(one: Tried) -> str:
    if isinstance(one.verdict, GraderError):
        return str(one.verdict)
    return "; ".join(str(result.finding and result.finding.observed)
                     for result in one.verdict.behaviours
                     if result.outcome is Outcome.TROUBLE)  # fmt: skip


def print_flakes(kata: Kata, cells: Sequence[Cell]) -> None:
    """How often right answers passed, and the seed of each grading that did not."""
    broken = [cell for cell in cells if cell.broke]
    passed = len(cells) - len(broken)
    _line(f"{_NO if broken else _YES} {kata.name}: {passed} of {len(cells)} gradings passed",
          "red" if broken else "green")  # fmt: skip
    for cell in broken:
        _line(f"  {cell.answer}, seed {cell.seed}: {cell.broke}", "red")


def print_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        _line(f"{_NO} {problem}", "red")


def _order(answer: str) -> tuple[int, str]:
    return ("starter", "reference", "also_right", "wrong").index(answer.partition("/")[0]), answer


def _line(text: str, style: str = "") -> None:
    _out.print(Text(_plain(text), style))


def _plain(text: str) -> str:
    """A text without control characters, in what the terminal's encoding can show."""
    text = "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)
    encoding = _out.encoding
    return text.encode(encoding, "backslashreplace").decode(encoding)
