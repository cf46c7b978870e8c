"""`nox -s bench`: what a grading costs, beside the least and the naive way, in one go.

The limit: a warm process has imported everything and forks a child for each grading, in which
pytest runs the hidden tests in the same process as learner code; no sandbox. The naive way: the
same in a new container for each grading, which imports pytest and the libraries once. Ours: warm
slots, whose start is spread over 50 submissions of each kata. CPU is that of the whole machine,
daemons and all, without what it does anyway.
"""

import contextlib
import datetime as dt
import io
import json
import pathlib
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import click
import rich.box
from rich.console import Console
from rich.table import Table

from grader.catalog import Catalog
from grader.engines import ENGINES
from grader.engines.base import Engine
from tests.bench import extras, picture, rounds
from tests.bench.meter import CORES, machine
from tests.conftest import ISOLATING, ROOT

_FOLDER = ROOT / "docs" / "bench"
#: With more than this at work beside it, nothing that is measured here means anything.
_QUIET_CORES = 0.1
#: The terminal, and a page for the docs; each with its kind of table.
_PAGE = io.StringIO()
_OUT = {rich.box.SIMPLE: Console(highlight=False),
        rich.box.MARKDOWN: Console(file=_PAGE, width=240, highlight=False)}  # fmt: skip


@click.command()
@click.option("--kata", "names", multiple=True, help="Only this one; may be repeated.")
@click.option("--submissions", default=2, show_default=True, help="Of each kata, in each round.")
@click.option("--rounds", "count", default=5, show_default=True)
@click.option("-j", "--jobs", default=CORES, help="At once, in every way. [1 a processor]")
@click.option("--engine", "engine_names", multiple=True, help="Only this one; may be repeated.")
@click.option("--quick", is_flag=True, help="A trial: the toy kata, two rounds, no files written.")
@click.option("--full", is_flag=True, help="Up to 10,000 gradings in a row instead of 1,000.")
@click.option("--to", "folder", type=pathlib.Path, help="For the files. [docs/bench]")
def main(
    names: tuple[str, ...], submissions: int, count: int, jobs: int, engine_names: tuple[str, ...],
    quick: bool, full: bool, folder: pathlib.Path | None,
) -> None:  # fmt: skip
    """Measures what gradings cost and prints tables; writes JSON, a page and a picture."""
    chatter = Console(stderr=True, style="dim", highlight=False)
    if not (quick or names or engine_names):  # what stands in the docs is of everything
        folder = folder or _FOLDER
    engines = _engines(engine_names or ISOLATING, chatter.print)
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        toy = extras.toy_kata(pathlib.Path(place))
        catalog = Catalog(ROOT)
        katas = [toy] if quick else [catalog.get(name) for name in names] or catalog.katas
        count = min(count, 2) if quick else count
        figures = rounds.compare(katas, engines, submissions, count, jobs, chatter.print)
        report: dict[str, Any] = {
            "date": dt.date.today().isoformat(),
            "machine": machine(),
            "ran": {"katas": [kata.short_name for kata in katas], "submissions": submissions,
                    "rounds": count, "jobs": jobs,
                    "gradings": submissions * len(katas) * count},
            **rounds.summary(figures),
            "one_grading_alone_seconds": figures.alone,
            "surprises": figures.surprises, "parts": {}, "cold": {}, "scale": {},
            "raw": {"start_cpu": figures.start, "cpu_and_limit": {
                way: {kata: [(round(pair.way.cpu, 2), round(pair.limit.cpu, 2)) for pair in pairs]
                      for kata, pairs in by_kata.items()}
                for way, by_kata in figures.pairs.items()}},
        }  # fmt: skip
        _print_rounds(report)
        with contextlib.ExitStack() as stack:
            ways = rounds.all_ways(toy.contract.preload, engines, 1, stack)
            for way in ways:
                chatter.print(f"parts of a grading: {way.name}")
                report["parts"][way.name] = extras.parts(way, ways[0], toy)
        _show("A small grading on a warm slot: milliseconds", "way", report["parts"])
        # The same number on more slots, then more and more on the usual number.
        many = (10,) if quick else (10, 100, 1000, 10_000)[: 4 if full else 3]
        runs = [*((slots, many[:2][-1]) for slots in (1, 2, 4)), *((CORES, n) for n in many)]
        for engine in engines:
            chatter.print(f"{engine.name}: whole commands")
            report["cold"][engine.name] = extras.cold(engine, toy)
        _show("Whole commands: seconds", "engine", report["cold"])
        for engine in engines:
            report["scale"][engine.name] = []
            for slots, number in runs:
                chatter.print(f"{engine.name}: {slots} slots, {number} small gradings")
                report["scale"][engine.name] += [extras.scale(engine, toy, slots, number)]
        _show("Small gradings in a row", "engine", report["scale"])
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        document = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (folder / "latest.json").write_text(document, "utf-8")
        (folder / "throughput.svg").write_text(picture.draw(report), "utf-8")
        page = re.sub(r"\s*\n\s*\n\s*", "\n\n", _PAGE.getvalue()).strip()
        (folder / "latest.md").write_text(f"# The benchmark's last run\n\n{page}\n", "utf-8")
        chatter.print(f"wrote {folder}")


def _engines(names: Sequence[str], tell: Callable[[str], None]) -> list[Engine]:
    engines = []
    for name in names:
        engine = ENGINES[name]()
        if problem := engine.problem():
            tell(f"without {name}: {problem}")
        else:
            engine.prepare(tell)
            engines.append(engine)
    return engines


def _print_rounds(report: Mapping[str, Any]) -> None:
    ran = report["ran"]
    _say(
        f"{', '.join(ran['katas'])}: {ran['submissions']} submissions each, {ran['rounds']} rounds,"
        f" {ran['jobs']} gradings at once; {report['machine']['processor']}, {CORES} cores,"
        f" Python {report['machine']['python']}, {report['date']}. Of each kata the median,"
        " of these the mean; in brackets where 9 of 10 draws of as many pairs lie."
    )
    if report["background_cores"] > _QUIET_CORES:
        _say(f"Not to be trusted: up to {report['background_cores']:.1f} cores were busy with"
             " something else.")  # fmt: skip
    columns = ("cpu_seconds", "times_limit", "overhead_seconds", "wall_seconds", "per_minute",
               "per_minute_by_cpu")  # fmt: skip
    ways = {name: {column: way[column] for column in columns}
            for name, way in report["ways"].items()}  # fmt: skip
    _show("A grading", "way", ways)
    _show("Goals", "ratio", {goal.pop("what"): goal for goal in map(dict, report["goals"])})
    alone = "One grading of the reference, nothing beside it: seconds"
    _show(alone, "kata", report["one_grading_alone_seconds"])
    for surprise in report["surprises"]:
        _say(f"not as the kata says: {surprise}")


def _say(text: str) -> None:
    for out in _OUT.values():
        out.print(f"\n{text}\n" if out.file is _PAGE else text, soft_wrap=out.file is _PAGE)


def _show(title: str, first: str, told: Mapping[str, Any]) -> None:
    """A table: one row, or several, for each name."""
    rows = [{first: name, **row} for name, several in told.items()
            for row in (several if isinstance(several, list) else [several])]  # fmt: skip
    _say(title)
    for box, out in _OUT.items():
        table = Table(box=box)
        for number, column in enumerate(rows[0] if rows else ()):
            side: Literal["left", "right"] = "right" if number else "left"
            table.add_column(column.replace("_", " "), justify=side, overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value, out.file is _PAGE) for value in row.values()))
        out.print(table)


def _cell(value: Any, one_line: bool = True) -> str:
    if isinstance(value, Mapping):
        middle, least, most = (_cell(value[name]) for name in ("median", "min", "max"))
        return f"{middle}{' ' if one_line else chr(10)}[dim]({least} to {most})[/dim]"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "?" if value is None else str(value)


if __name__ == "__main__":
    main()
