"""What the commands share: the catalogue, names of katas that complete, help with examples."""

import pathlib

import click

from grader.catalog import Catalog
from grader.errors import GraderError


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


kata_name = click.argument("name", metavar="KATA", shell_complete=complete_kata)
suggested_kata = click.argument(
    "name", metavar="[KATA]", required=False, shell_complete=complete_kata
)
#: Without a name the kata in whose folder one is.
kata_here = click.argument("name", metavar="[KATA]", default=".", shell_complete=complete_kata)
kata_names = click.argument("names", metavar="[KATA]...", nargs=-1, shell_complete=complete_kata)


def examples(*lines: str) -> str:
    """The end of a command's help; each line is a command and, two spaces on, what it is for."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class Commands(click.Group):
    """Lists its commands in the order in which they were added: the learner's way first."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(self.commands)
