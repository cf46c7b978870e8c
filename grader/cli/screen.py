"""What a person sees: results on standard output, chatter on standard error.

Readable at 80 columns, without colour (NO_COLOR is honoured), without Unicode, and aloud.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import sys
import sysconfig
import textwrap
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import rich.box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from grader.catalog import Kata
from grader.cli import health
from grader.progress import Record, State
from grader.verdict import BehaviourResult, Cause, Outcome, Verdict

#: For tables and texts; lines of our own words are never longer than the second.
_MAX_WIDTH, _LINE_WIDTH = 100, 80
#: Between two lines of progress, where no bar can be drawn.
_LINE_SECONDS = 30.0
#: Words instead of signs, no colour, nothing that moves: for screen readers, say.
_words_only = bool(os.environ.get("KATA_PLAIN")) or os.environ.get("TERM") == "dumb"


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Rich would exit with 1, as click for an error with this number would: a failed submission.
        raise BrokenPipeError


def _console(stderr: bool) -> Console:
    terminal = False if _words_only else None
    console = _Console(stderr=stderr, highlight=False, markup=False, force_terminal=terminal)
    if console.width > _MAX_WIDTH:
        console.width = _MAX_WIDTH
    return console


_out = _console(stderr=False)
_err = _console(stderr=True)
_unicode = not _words_only and "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()
_box = None if _words_only else rich.box.SIMPLE if _unicode else rich.box.ASCII2
YES, NOTE, NO, OPEN = ("✓", "!", "✗", "·") if _unicode else ("ok", "--", "NO", "..")
SIGN_WIDTH = len(NO)


def can_draw() -> bool:
    """Whether the terminal takes more than lines, as far as its name and encoding tell."""
    known = os.name == "nt" or os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    return known and _unicode


def columns() -> int:
    """How wide a text may be."""
    return _out.width


def say(text: str) -> None:
    """A line of chatter."""
    _err.print(_wrapped(plain(text), _err), soft_wrap=True)


def coloured() -> bool:
    """Whether a program that we start may use colours, too."""
    return _err.is_terminal and not _err.no_color


def program() -> str:
    """How the `kata` command is called from here: by its path, unless a shell finds it."""
    own = shutil.which("kata", path=sysconfig.get_path("scripts"))
    if own is None or shutil.which("kata"):
        return "kata"
    here = pathlib.Path.cwd()
    return str(pathlib.Path(own).relative_to(here) if here in pathlib.Path(own).parents else own)


@contextlib.contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner; the function that it gives changes its words. On no terminal: lines."""
    if not _err.is_terminal:
        yield say
        return
    with _err.status(what) as status:
        yield lambda text: status.update(plain(text))


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
        yield lambda text: bar.update(task, advance=1, latest=plain(text))


@contextlib.contextmanager
def long_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with rate and time left for what may take hours. On no terminal: a line now and then.

    The function that it gives is told of steps done.
    """
    began = told = time.monotonic()
    done = 0

    def pace() -> str:
        rate = done / max(time.monotonic() - began, 0.001)
        left = f"{_duration((total - done) / rate)} left" if rate else ""
        return f"{rate * 60:.0f} a minute, {left}" if rate else ""

    if not _err.is_terminal:

        def advance_plainly(steps: int) -> None:
            nonlocal done, told
            done += steps
            if time.monotonic() - told > _LINE_SECONDS:
                told = time.monotonic()
                say(f"{what}: {done} of {total}, {pace()}")

        yield advance_plainly
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20),
               MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))  # fmt: skip
    with Progress(*columns, console=_err, transient=True) as bar:
        task = bar.add_task(what, total=total, pace="")

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            bar.update(task, advance=steps, pace=pace())

        yield advance


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def print_line(text: str, style: str = "") -> None:
    """A line of our own words, broken between words."""
    _out.print(Text(_wrapped(plain(text), _out), style), soft_wrap=True)


def print_lines(lines: Iterable[str]) -> None:
    """Plain lines of results."""
    for line in lines:
        print_line(line)


def print_table(
    heads: Sequence[str], rows: Iterable[Sequence[str | Text]], words: Collection[str] = ()
) -> None:
    """A table whose first column and those headed by `words` are text, the others numbers."""
    table = Table(box=_box, show_edge=False, pad_edge=False)
    for position, head in enumerate(heads):
        number = position > 0 and head not in words
        table.add_column(head, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(plain(cell) if isinstance(cell, str) else cell for cell in row))
    _out.print(table)


def print_wide_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> bool:
    """A table with each row on one line, however long; all but the first column are numbers.

    False, and nothing is printed, where a terminal is too narrow for it.
    """
    lines = [heads, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    whole = sum(widths) + 2 * (len(widths) - 1)
    if sys.stdout.isatty() and whole > shutil.get_terminal_size().columns:
        return False
    for first, *others in lines:
        cells = (each.rjust(width) for each, width in zip(others, widths[1:], strict=True))
        line = "  ".join([first.ljust(widths[0]), *cells])
        _out.print(plain(line.rstrip()), soft_wrap=True)
    return True


def print_verdict(verdict: Verdict, *, titles_only: bool) -> None:
    """The whole verdict for a person."""
    if not verdict.isolated:
        print_line("NOT ISOLATED: the code ran with all the rights of this user.", "bold red")
    print_line(f"{verdict.title} ({verdict.kata})", "bold")
    engine = f"engine {verdict.engine}"
    print_line(engine + (f", image {verdict.image}" if verdict.image else ""), "dim")
    _out.print()
    if verdict.refusal is not None:
        print_line(f"{NO} refused: {verdict.refusal}", "red")
        print_line("  Nothing was run.")
        _out.print()
        return
    group = None
    for result in verdict.behaviours:
        if result.group != group:
            group = result.group
            print_line(group[0].upper() + group[1:], "underline")
        print_behaviour(result, titles_only)
    held = sum(result.passed for result in verdict.behaviours)
    _out.print()
    print_line(
        f"{held} of {len(verdict.behaviours)} behaviours hold, "
        f"{verdict.points} of {verdict.points_possible} points, "
        f"{verdict.seconds:.1f} s, seed {verdict.seed}",
        "bold green" if verdict.outcome is Outcome.PASSED else "bold",
    )


def print_behaviour(result: BehaviourResult, titles_only: bool) -> None:
    print_row(result, result.sentence)
    if not titles_only:
        print_details(result)


def print_row(result: BehaviourResult | None, sentence: str) -> None:
    row = Table.grid(padding=(0, 1))
    row.add_column(width=SIGN_WIDTH)
    row.add_column()
    row.add_row(sign(result), Text(plain(sentence)))
    _out.print(Padding(row, (0, 0, 0, 1)))


def print_details(result: BehaviourResult) -> None:
    if not result.passed:
        _out.print(Padding(details(result), (0, 0, 0, 4)))


def sign(result: BehaviourResult | None) -> Text:
    """Whether a behaviour holds, in a sign; None is one that was not tried yet."""
    if result is None:
        return Text(OPEN)
    return Text(YES, "green") if result.passed else Text(NO, "red")


def details(result: BehaviourResult) -> Table:
    """Why a behaviour did not pass."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=8, style="dim")
    table.add_column(overflow="fold")
    if result.cause not in (Cause.FAILED, None):
        table.add_row("cause", Text(str(result.cause), "yellow"))
    if result.finding is not None:
        for name in ("given", "observed", "expected"):
            if text := getattr(result.finding, name):
                table.add_row(name, Text(plain(text)))
        if result.finding.timeline:
            table.add_row("timeline", Text(plain("\n".join(result.finding.timeline))))
    if result.cause not in (Cause.REFUSED, Cause.TROUBLE):
        table.add_row("matters", Text(plain(result.why)))
    return table


def print_output(text: str) -> None:
    """What a program has printed."""
    _out.print(output(text), soft_wrap=True)


def output(text: str) -> Text:
    """The same as text for a screen."""
    return Text(plain(text))


def print_next_step(verdict: Verdict, kata: Kata, suggestion: Kata | None) -> None:
    """What to do now."""
    _out.print()
    if verdict.outcome is Outcome.PASSED:
        print_line("Solved. The walkthrough, and your code beside the reference:")
        print_line(f"  {program()} solution {kata.short_name}")
        _print_suggestion(suggestion)
    elif verdict.outcome is Outcome.TROUBLE:
        print_line("Part of this was the grader's trouble, not yours: grade again, or report it.")
    else:
        print_line(f"Next: read katas/{kata.name}/README.md, mend the code beside it, then")
        print_line(f"  nox -s grade -- {kata.short_name}")
        print_line(f"Stuck? One step further each time: {program()} hint {kata.short_name}")


def print_learner_edition() -> None:
    """Before visible tests run in the place of hidden ones."""
    print_line("This is a learner edition: the hidden tests are with your instructor, who grades")
    print_line("what you hand in. The visible tests run here, without a sandbox.")


def print_visible_tests(kata: Kata) -> None:
    _out.print()
    print_line(f"{kata.contract.title} ({kata.name}): visible tests", "bold")
    # What pytest prints comes next, and not through this console.
    sys.stdout.flush()


def print_visible_summary(katas: Sequence[Kata], codes: Sequence[int]) -> None:
    """What visible tests say of each kata, and what they cannot say."""
    _out.print()
    for kata, code in zip(katas, codes, strict=True):
        good = code == 0
        said = "the visible tests pass" if good else "the visible tests do not pass"
        print_line(f"{YES if good else NO} {kata.short_name}: {said}", "green" if good else "red")
    print_line("What else must hold stands in each kata's README, under What must hold.")


def print_summary(verdicts: Sequence[Verdict]) -> None:
    """One line for each of several verdicts."""
    table = Table(box=_box)
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
    _out.out(json.dumps(documents[0] if single else documents, indent=2), highlight=False)


def print_list(records: Sequence[tuple[Kata, Record]], suggestion: Kata | None) -> None:
    """The katas with how far the learner is, and what to go on with."""
    table = Table(box=_box)
    for heading in ("kata", "pillar", "level", "minutes", "state"):
        table.add_column(heading)
    for kata, record in records:
        # The folder's number and its first word: "3 llms".
        pillar = " ".join(kata.name.lstrip("0").split("-")[:2]).partition("/")[0]
        table.add_row(
            kata.short_name, pillar, kata.level_name, str(kata.contract.minutes),
            _state(record),
        )  # fmt: skip
    _out.print(table)
    passed = sum(record.state is State.PASSED for _, record in records)
    print_line(f"{passed} of {len(records)} passed")
    _print_suggestion(suggestion)


def in_list(kata: Kata, record: Record) -> str:
    """A kata in one line of a list."""
    return (f"{kata.short_name:<24} {kata.level_name:<8}"
            f"{kata.contract.minutes:>4} minutes  {_state(record)}")  # fmt: skip


def _state(record: Record) -> str:
    if record.state is State.IN_WORK and record.attempts:
        return f"{record.state}, {_points(record)}"
    return str(record.state)


def _points(record: Record) -> str:
    return f"{record.points} of {record.possible}"


def _print_suggestion(suggestion: Kata | None) -> None:
    if suggestion is None:
        print_line("Every kata of the path has passed.")
    else:
        print_line(f"Go on with: {program()} show {suggestion.short_name}")


def print_readme(kata: Kata, record: Record) -> None:
    """The README without its hints, which are asked for one by one, and the learner's state."""
    print_markdown(readme(kata))
    _out.print()
    print_line(f"{kata.level_name}, {kata.contract.minutes} minutes".capitalize())
    state = [str(record.state).capitalize()]
    if record.attempts:
        state.append(f"{counted(record.attempts, 'attempt')}, at best {_points(record)} points")
    if record.hints:
        hints = len(kata.hints)
        state.append(f"{min(record.hints, hints)} of {counted(hints, 'hint')} seen")
    print_line("; ".join(state))


def readme(kata: Kata) -> str:
    """The README with the way to the hints in their place, in Markdown."""
    text = re.sub(r"<details>.*?</details>\s*", "", kata.readme, flags=re.DOTALL)
    hints = f"## Hints\n\n`{program()} hint {kata.short_name}`, one step further each time.\n\n"
    return re.sub(r"(?m)^## Hints\s*", lambda _: hints, text)


def print_hint(kata: Kata, number: int) -> None:
    """One hint, and how to go one step further."""
    print_line(f"{kata.contract.title}, hint {number} of {len(kata.hints)}", "bold")
    _out.print()
    print_markdown(kata.hints[number - 1])
    _out.print()
    if number < len(kata.hints):
        print_line(f"One step further: {program()} hint {kata.short_name}")
    else:
        print_line(f"That was the last hint. The way out: {program()} solution {kata.short_name}")


def print_ask_again(kata: Kata, record: Record) -> None:
    """Instead of the solution, when it is asked for the first time before a pass."""
    print_line(f"{kata.short_name} has not passed yet.")
    if record.hints < len(kata.hints):
        print_line(f"A step on instead of the way out: {program()} hint {kata.short_name}")
    print_line("To see the solution all the same, ask once more:")
    print_line(f"  {program()} solution {kata.short_name}")


def print_solution(kata: Kata, diff: str) -> None:
    """The walkthrough, and the way from the learner's code to the reference."""
    print_markdown((kata.solutions / "README.md").read_text("utf-8"))
    _out.print()
    if not diff:
        print_line("Your code is the reference, word for word.")
        return
    print_line("Your code (-) beside the reference (+)", "bold")
    _out.print()
    styles = {"-": "red", "+": "green", "@": "cyan", "d": "bold"}
    for line in diff.splitlines():
        text = Text(plain(line.expandtabs(4)), styles.get(line[:1], ""))
        _out.print(text, soft_wrap=True)


def print_reset(kata: Kata, patch: pathlib.PurePath | None) -> None:
    """What became of the learner's version."""
    print_line(reset_words(kata, patch))


def reset_words(kata: Kata, patch: pathlib.PurePath | None) -> str:
    """The same as text."""
    if patch is None:
        return f"{kata.short_name} is the starter already; nothing was changed."
    return (
        f"{kata.short_name} is the starter again. To have your version back, from the\n"
        f"repository's folder:\n  git apply {patch.as_posix()}"
    )


def print_markdown(text: str) -> None:
    """Rendered on a terminal, with addresses in full; elsewhere as it is written."""
    if _out.is_terminal:
        # Only here: it takes time to import.
        from rich.markdown import Markdown

        _out.print(Markdown(text, hyperlinks=False))
    else:
        _out.print(text, soft_wrap=True)


def print_paths(paths: Iterable[pathlib.Path]) -> None:
    """What was written, one path a line, for the eye and for other programs."""
    for path in paths:
        _out.print(plain(str(path)), soft_wrap=True)


def print_text(text: str) -> None:
    """A result as it stands."""
    _out.print(Text(plain(text.rstrip("\n"))), soft_wrap=True)


def print_checks(checks: Sequence[health.Check]) -> None:
    """What `doctor` has found; under each problem the step that mends it."""
    signs = {
        health.State.GOOD: (YES, "green"),
        health.State.NOTE: (NOTE, "yellow"),
        health.State.BAD: (NO, "red"),
    }
    indent = " " * (len(NO) + 1)
    for check in checks:
        sign, style = signs[check.state]
        text = _wrapped(plain(f"{indent}{check.name}: {check.found}"), _out)
        _out.print(Text(sign, style), Text(text[len(sign) :]), sep="", soft_wrap=True)
        if check.mend:
            mend = _wrapped(plain(f"{indent}mend it: {check.mend}"), _out)
            _out.print(Text(mend), soft_wrap=True)


def counted(number: int, what: str) -> str:
    """As "1 hint" or "2 hints"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _wrapped(text: str, console: Console) -> str:
    """Each line in as many as it takes, broken between words only; all begin where it does."""
    width = min(console.width, _LINE_WIDTH)
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent=line[: len(line) - len(line.lstrip())],
                      break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )  # fmt: skip


def plain(text: str) -> str:
    """A text without control characters, in what the terminal's encoding can show."""
    text = "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)
    encoding = _out.encoding
    return text.encode(encoding, "backslashreplace").decode(encoding)
