"""What the commands share: exit codes, katas and engines to choose, help with examples."""

import os
import pathlib

import click

from grader.catalog import Catalog, Kata
from grader.cli import screen
from grader.engines import ENGINES, choose
from grader.engines.base import Engine
from grader.errors import GraderError, UsageError
from grader.submission import is_changed

PASSED, NOT_PASSED, USAGE, TROUBLE, INTERRUPTED = 0, 1, 2, 4, 130


def find_catalog() -> Catalog:
    """The katas of the repository around the working directory."""
    return Catalog.find(pathlib.Path.cwd())


def complete_kata(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """The short names that go on from what was typed, or full ones after a slash."""
    try:
        katas = find_catalog().katas
    except GraderError:
        return []
    names = [kata.name if "/" in typed else kata.short_name for kata in katas]
    return [name for name in names if name.startswith(typed)]


def chosen_katas(catalog: Catalog, names: tuple[str, ...], all_katas: bool) -> list[Kata]:
    """Those named, or all, or those that were changed, or the first."""
    if names:
        return list({kata.name: kata for kata in map(catalog.get, names)}.values())
    if not catalog.katas:
        raise UsageError(f"there are no katas in {catalog.root}")
    changed = [kata for kata in catalog.katas if is_changed(kata)]
    return catalog.katas if all_katas else changed or catalog.katas[:1]


def chosen_engine(name: str) -> Engine:
    """The engine of this name, or the first that works here. Raises `EngineTrouble`."""
    with screen.waiting("looking for an engine") as step:
        engine, passed_over = choose(name, step)
    if passed_over:
        screen.say(f"grading with {engine.name}, because:")
        for reason in passed_over:
            screen.say(f"  {reason}")
    return engine


def complete_engine(_: click.Context, __: click.Parameter, typed: str) -> list[str]:
    """The names of engines that go on from what was typed."""
    return [name for name in ("auto", *ENGINES) if name.startswith(typed)]


kata_name = click.argument("name", metavar="KATA", shell_complete=complete_kata)
suggested_kata = click.argument(
    "name", metavar="[KATA]", required=False, shell_complete=complete_kata
)
#: Without a name the kata in whose folder one is.
kata_here = click.argument("name", metavar="[KATA]", default=".", shell_complete=complete_kata)
kata_names = click.argument("names", metavar="[KATA]...", nargs=-1, shell_complete=complete_kata)
engine_option = click.option(
    "--engine", "engine_name", default="auto", metavar="NAME",
    shell_complete=complete_engine,
    help="auto, docker, bubblewrap or process (no isolation). [default: auto]",
)  # fmt: skip
jobs_option = click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=min(os.cpu_count() or 1, 64),
    help="Gradings at once. [default: the number of processors]",
)  # fmt: skip


def examples(*lines: str) -> str:
    """The end of a command's help; each line is a command and, two spaces on, what it is for."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class Commands(click.Group):
    """Lists its commands in the order in which they were added: the learner's way first."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(self.commands)
