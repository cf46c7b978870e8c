"""The commands of `kata cohort` that look: report, board, integrity; and forget."""

import os
import pathlib
import secrets as random_secrets
import signal
import webbrowser
from typing import TYPE_CHECKING

import click

from grader import grading
from grader.cli import screen
from grader.cli.arguments import examples
from grader.cli.cohort import (
    anonymously,
    in_cohort,
    now,
    of_katas,
    open_cohort,
    walls,
)
from grader.cli.handing import write
from grader.errors import Stopped

if TYPE_CHECKING:
    # Imported where they are needed: `kata` works without the libraries of cohorts.
    from grader.cohort.config import Cohort
    from grader.cohort.report import Report
    from grader.cohort.store import Store

_Path = click.Path(path_type=pathlib.Path)
_silent_days = click.option(
    "--silent-days", type=click.IntRange(1), default=7, metavar="N",
    help="Silent is who has handed in nothing for N days. [default: 7]",
)  # fmt: skip
_output = click.option(
    "--output", type=_Path, metavar="FILE", help="Where to. [default: in the cohort's folder]"
)


@click.command(
    epilog=examples(
        "kata cohort report                  report.html in the cohort's folder",
        "kata cohort report --open           and shows it",
        "kata cohort report --anonymous --output for-the-faculty.html",
    )
)
@in_cohort
@_output
@_silent_days
@anonymously
@click.option("--open", "show", is_flag=True, help="Show it in your browser.")
def report(
    folder: pathlib.Path, output: pathlib.Path | None, silent_days: int, anonymous: bool, show: bool
) -> None:
    """Write a page that shows where the cohort stands.

    Every learner's mark for every kata, the behaviours that most fail at and what was observed,
    time and attempts to pass, who is stuck or silent since when, how grading goes, trouble of
    engines. Learners stand in it by id. The page loads nothing from elsewhere.
    """
    from grader.cohort import report as reporting

    ours = open_cohort(folder)
    path = output or ours.folder / reporting.REPORT
    with ours.store() as store:
        write(path, [_report(ours, store, silent_days, anonymous).page()])
    screen.print_paths([path])
    if show and not webbrowser.open(path.absolute().as_uri()):
        screen.say("no browser could be started; open the page by hand")


@click.command(
    epilog=examples(
        "kata cohort board                     for a browser on this machine",
        "kata cohort board --host 0.0.0.0      for others, who need the token",
        "ssh -L 8765:127.0.0.1:8765 grader     from afar, without --host",
    )
)
@in_cohort
@click.option("--host", default="127.0.0.1", help="The address to serve on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, help="[default: 8765]")
@click.option("--token", "always", is_flag=True, help="Ask for a token on this machine, too.")
@_silent_days
@anonymously
def board(
    folder: pathlib.Path, host: str, port: int, always: bool, silent_days: int, anonymous: bool
) -> None:
    """Serve the same page, live while a grading runs.

    On 127.0.0.1, the default, anybody on this machine may read it. Any other address needs a
    token, new at each start: it is part of the address that is printed. What is sent is not
    encrypted; over a network, prefer a tunnel. The roster is read at the start. Ctrl-C ends it.
    """
    from grader.cohort import board as serving

    ours = open_cohort(folder)
    token = None
    if always or not serving.is_loopback(host):
        token = random_secrets.token_urlsafe(24)
    with ours.store() as store:
        screen.say("reading what there is")
        live = serving.Board(lambda: _report(ours, store, silent_days, anonymous), store.pulse)
        serving.serve(live, host, port, token, lambda url: screen.print_lines([url]))


@click.command(
    epilog=examples(
        "kata cohort integrity                      leads.html, for all katas",
        "kata cohort integrity --katas leaky-cv --similar 70",
        "kata cohort integrity --again 5            grades some again: chance?",
    )
)
@in_cohort
@of_katas
@_output
@click.option(
    "--similar", type=click.IntRange(1, 100), default=50, metavar="PERCENT",
    help="Pairs that share so much, or more. [default: 50]",
)  # fmt: skip
@click.option(
    "--pairs", type=click.IntRange(0), default=50, metavar="N",
    help="Show so many side by side. [default: 50]",
)  # fmt: skip
@click.option(
    "--again", type=click.IntRange(1), metavar="N",
    help="Grade N works of each kata again, with other seeds.",
)  # fmt: skip
@click.option(
    "--seeds", "count", type=click.IntRange(1), default=3, metavar="N",
    help="With --again: so many seeds. [default: 3]",
)  # fmt: skip
@click.option("--engine", "engine_name", metavar="NAME", help="With --again. [as in cohort.toml]")
@walls
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=min(os.cpu_count() or 1, 64),
    help="With --again: gradings at once. [default: the number of processors]",
)  # fmt: skip
@anonymously
def integrity(
    folder: pathlib.Path, katas: list[str], output: pathlib.Path | None, similar: int, pairs: int,
    again: int | None, count: int, engine_name: str | None, without_isolation: bool, jobs: int,
    anonymous: bool,
) -> None:  # fmt: skip
    """Write a page of leads: similar work, chance, attacks.

    Each is a place to look, never a verdict, and no mark depends on it. The same bytes from
    different learners are leads, too; so is what changes with the seed (--again). Similarity is
    winnowing over latest works, without what the starter and the reference have; pairs stand side
    by side. The page quotes learners' work: keep it as you keep that.
    """
    from grader.cohort import grade as cohort_grading
    from grader.cohort import integrity as looking

    ours = open_cohort(folder)
    chosen = ours.chosen(katas)
    path = output or ours.folder / looking.LEADS
    with ours.store() as store:
        with screen.waiting("comparing"):
            leads = looking.find(ours, store, chosen, similar)
        if again:
            with screen.waiting("looking for an engine") as step:
                name = cohort_grading.engine_name(ours, store, engine_name)
                engine, _ = cohort_grading.choose_engine(
                    name, step, without_isolation=without_isolation
                )
            seeds = [grading.new_seed() for _ in range(count)]
            with screen.waiting("grading again"):
                leads, problems = looking.with_chance(
                    leads, ours, store, engine, chosen, again, seeds, jobs
                )
            for problem in problems:
                screen.say(problem)
        rename = store.pseudonym if anonymous else str
        write(path, [looking.page(ours, store, leads, now(), rename, pairs)])
    screen.say(
        f"leads, none of them a verdict: {len(leads.same)} of the same bytes, "
        f"{screen.counted(len(leads.similar), 'similar pair')}, "
        f"{len(leads.chance or ())} by chance, {len(leads.tried)} with traces of attacks"
    )
    screen.print_paths([path])


@click.command(
    epilog=examples(
        "kata cohort forget ada17          asks before it deletes",
        "kata cohort forget ada17 --yes    does not ask",
    )
)
@click.argument("learner", metavar="LEARNER")
@in_cohort
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(learner: str, folder: pathlib.Path, yes: bool) -> None:
    """Delete LEARNER (an id) and all that is theirs; prove it.

    LEARNER is in the roster, or was: whoever is struck from it is still kept elsewhere. Deleted are
    work, verdicts, marks, rulings, the roster's row, and files below the cohort's folder that are
    named by the id. What another learner has handed in with the same bytes stays, for it is theirs.
    Then everything that is left is searched for id, name, address and source: every row of the
    database and every file of the folder, also in archives and Parquet. Repositories, course
    systems and backups are not reached.

    Exit code: 0 nothing is left, 1 something is or could not be unpacked, and is listed.
    """
    from grader.cohort import privacy

    ours = open_cohort(folder)
    with ours.store() as store:
        theirs = privacy.known(ours, store, learner)
        if not theirs.name:
            screen.say(f"{theirs.id} is not in the roster any more, so nothing can be searched for "
                       "but the id")  # fmt: skip
        if not yes:
            count = len(store.hand_ins([theirs.id]))
            files = privacy.theirs(ours, theirs.id)
            screen.say(
                f"{theirs.id}: {screen.counted(count, 'hand-in')}, verdicts, rulings, the roster's "
                f"row; files or folders: {len(files)}"
            )
            screen.print_paths(files)
            if not _confirmed("Delete all of it, for good?"):
                raise Stopped("nothing was deleted")
        gone = privacy.forget(ours, store, theirs)
    rows = ", ".join(f"{count} of {table}" for table, count in gone.rows.items())
    searched = f"{gone.searched_rows} rows and {gone.searched_bytes} bytes of files"
    lines = [f"deleted: {rows}, {int(bool(theirs.name))} of the roster",
             f"files deleted: {len(gone.files)}"]  # fmt: skip
    if not gone.left:
        screen.print_lines([*lines, f"searched {searched}: nothing of {theirs.id} is left"])
        return
    lines += [f"searched {searched}; of {theirs.id} something is left, or may be, in:", *gone.left]
    screen.print_lines(lines)
    screen.say("look at each: delete it, make it anew, or keep it where it is somebody else's")
    raise SystemExit(1)


COMMANDS = (report, board, integrity, forget)


def _confirmed(question: str) -> bool:
    """No is also Ctrl-C, and the end of the input."""
    if hasattr(signal, "siginterrupt"):
        # Importing polars has system calls start anew: Ctrl-C would wait for Enter.
        signal.siginterrupt(signal.SIGINT, True)
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def _report(ours: "Cohort", store: "Store", silent_days: int, anonymous: bool) -> "Report":
    from grader.cohort.report import Report

    rename = store.pseudonym if anonymous else str
    return Report.make(ours, store, now(), rename, silent_days)
