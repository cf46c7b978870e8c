"""The learner's commands beside grading: list, show, hint, solution, reset, map."""

import datetime
import pathlib
import webbrowser
from collections.abc import Sequence

import click

from grader import starter
from grader.catalog import Catalog, Kata
from grader.cli import practice, screen
from grader.cli.arguments import examples, find_catalog, kata_name, suggested_kata
from grader.errors import UsageError
from grader.progress import FOLDER, Progress, State, suggested
from grader.submission import collect, diff, editable_files


@click.command(
    "list",
    epilog=examples("kata list", "kata list | grep hard"),
)
def list_katas() -> None:
    """Show the katas in order, and how far you are with each.

    The path goes from the gentle to the hard, but nothing is locked: begin where you like. The
    last line suggests what to go on with.
    """
    catalog = find_catalog()
    progress = Progress(catalog.root)
    records = [(kata, progress.of(kata)) for kata in catalog.katas]
    screen.print_list(records, suggested(records))


@click.command(
    epilog=examples(
        "kata show flaky-provider   the story, the job, what must hold",
        "kata show                  the same of the kata to go on with",
    )
)
@suggested_kata
def show(name: str | None) -> None:
    """Show the README of KATA, and how far you are with it.

    Hints are left out: `kata hint` shows them. Without a name: the kata that `kata list` suggests.
    Piped, the README stays Markdown.
    """
    catalog = find_catalog()
    progress = Progress(catalog.root)
    kata = _kata(catalog, progress, name)
    screen.print_readme(kata, progress.of(kata))


@click.command(
    epilog=examples(
        "kata hint flaky-provider   the first hint; called again, the second",
        "kata hint                  for the kata to go on with",
    )
)
@suggested_kata
def hint(name: str | None) -> None:
    """Show a hint for KATA, one step further each time.

    There are three, from a nudge to nearly the answer; the last one is repeated. Without a name:
    the kata that `kata list` suggests.
    """
    catalog = find_catalog()
    progress = Progress(catalog.root)
    kata = _kata(catalog, progress, name)
    if not kata.hints:
        raise UsageError(f"{kata.short_name} has no hints; `kata show {kata.short_name}` is all")
    screen.print_hint(kata, progress.next_hint(kata))


@click.command(
    epilog=examples(
        "kata solution flaky-provider   after a pass; before it, ask twice",
    )
)
@kata_name
def solution(name: str) -> None:
    """Show the walkthrough, and your code beside the reference.

    Lines that only you have begin with -, those of the reference with +. As long as KATA has not
    passed, the first call shows nothing, and says so; the second shows everything.
    """
    catalog = find_catalog()
    progress = Progress(catalog.root)
    kata = catalog.get(name)
    reference = kata.answer("reference")
    if not reference.is_dir():
        raise UsageError(
            f"this copy has no solution of {kata.short_name} ({reference} is missing); "
            "it is with the instructor, or in a full clone"
        )
    record = progress.of(kata)
    if record.state is not State.PASSED and not progress.ask_for_solution(kata):
        screen.print_ask_again(kata, record)
        return
    yours = editable_files(kata, kata.folder)
    screen.print_solution(kata, diff(yours, collect(kata, reference).files, "yours/", "reference/"))


@click.command(
    epilog=examples(
        "kata reset flaky-provider",
        "kata reset flaky-provider --from ../fresh-copy",
    )
)
@kata_name
@click.option(
    "--from", "copy", type=click.Path(path_type=pathlib.Path), metavar="DIR",
    help="A fresh copy of the repository that has the starter, where git does not.",
)  # fmt: skip
def reset(name: str, copy: pathlib.Path | None) -> None:
    """Put the starter back, and keep your version as a patch.

    Only the files that you may edit change. The starter comes from git's history or from the copy
    in DIR; either way it must be the one that kata.toml names. The patch goes into the folder
    .kata, and `git apply` brings your version back.
    """
    catalog = find_catalog()
    kata = catalog.get(name)
    patch = starter.put_back(kata, catalog.root, starter.find(kata, catalog.root, copy))
    screen.print_reset(kata, patch.relative_to(catalog.root) if patch else None)


@click.command(
    "map",
    epilog=examples(
        "kata map --open              draw the page and show it",
        "kata map --svg katas.svg     and a picture for a README",
    ),
)
@click.option(
    "--output", type=click.Path(path_type=pathlib.Path), metavar="FILE",
    help=f"Where the page goes. [default: {FOLDER}/map.html]",
)  # fmt: skip
@click.option(
    "--svg", "picture", type=click.Path(path_type=pathlib.Path), metavar="FILE",
    help="Draw a picture as well, for the README of a profile.",
)  # fmt: skip
@click.option("--open", "show_it", is_flag=True, help="Show the page in the browser.")
def draw_map(output: pathlib.Path | None, picture: pathlib.Path | None, show_it: bool) -> None:
    """Draw how far you are as one web page: the map.

    It shows the pillars, the state of each kata and what does not hold yet.

    The page and the picture load nothing from elsewhere. Standard output names what was written.
    """
    catalog = find_catalog()
    # Only here: its libraries take time to import.
    from grader.map import Map

    drawn = Map.draw(catalog, Progress(catalog.root))
    page = output or catalog.root / FOLDER / "map.html"
    written = {page: drawn.page(datetime.date.today())}
    if picture:
        written[picture] = drawn.picture()
    for path, text in written.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror}; name another place"
            ) from None
    screen.print_paths(written)
    if show_it and not webbrowser.open(page.resolve().as_uri()):
        screen.say("no browser could be started; open the page by hand")


def run_visible_tests(katas: Sequence[Kata], verdict_wanted: bool) -> int:
    """What a learner edition can do instead of grading; returns the exit code of `kata grade`."""
    if verdict_wanted:
        raise UsageError(
            "there is no verdict without hidden tests, and those are with the instructor; "
            "kata grade without --json and --from runs the visible tests of your own folder"
        )
    screen.print_learner_edition()
    codes = []
    for kata in katas:
        screen.print_visible_tests(kata)
        codes.append(practice.run_visible_tests(kata, ["-q"]))
    screen.print_visible_summary(katas, codes)
    # pytest: 0 all passed, 1 some failed, 2 a test file could not be imported.
    return 0 if not any(codes) else 1 if max(codes) <= 2 else 4


def _kata(catalog: Catalog, progress: Progress, name: str | None) -> Kata:
    """The kata of that name, or else the one to go on with."""
    if name is not None:
        return catalog.get(name)
    suggestion = progress.suggestion(catalog.katas)
    if suggestion is None:
        raise UsageError("every kata has passed; name one: kata list shows them")
    return suggestion
