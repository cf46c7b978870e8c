"""The commands of `kata cohort` that hand out and hand back: handout, export, feedback."""

import itertools
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from grader.cli import screen
from grader.cli.arguments import examples, find_catalog
from grader.cli.cohort import anonymously, in_cohort, now, of_learners, open_cohort
from grader.cohort import handout as handing
from grader.errors import UsageError

if TYPE_CHECKING:
    # Imported where they are needed: `kata` works without the libraries of cohorts.
    from grader.cohort.config import Cohort
    from grader.cohort.marks import Gradebook, Mark
    from grader.cohort.store import Store

_FORMATS = ("canvas", "moodle", "csv", "gradescope", "jsonl", "parquet")
_Path = click.Path(path_type=pathlib.Path)


@click.command(
    epilog=examples(
        "kata cohort handout --to ../katas-for-learners",
        "kata cohort handout --to /srv/git/katas",
    )
)
@click.option("--to", type=_Path, required=True, metavar="DIR", help="A new folder.")
def handout(to: pathlib.Path) -> None:
    """Write the learner edition: no hidden tests, no solutions.

    A git repository with one commit, ready to be pushed and made a template. It is taken from the
    last commit of this one. Every object of it is compared with what lies below solutions/ before
    it is put in place. Learners can run the visible tests with `kata grade`.
    """
    catalog = find_catalog()
    made = handing.hand_out(catalog, to)
    if handing.is_dirty(catalog.root):
        screen.say("changes that are not committed yet are not in it")
    screen.say(
        f"{made.files} files of commit {made.source[:12]}; none of the {made.objects} objects of "
        "the new repository holds a passage of a hidden test or an answer"
    )
    screen.print_paths([made.folder])


@click.command(
    epilog=examples(
        "kata cohort export canvas --to marks.csv",
        'kata cohort export canvas --to m.csv --column "leaky-cv=CV, week 3"',
        "kata cohort export gradescope --to results",
        "kata cohort export parquet --to tables --anonymous",
    ),
)
@click.argument("kind", type=click.Choice(_FORMATS), metavar="FORMAT")
@click.option("--to", type=_Path, required=True, metavar="PATH", help="A file, or a folder.")
@in_cohort
@anonymously
@click.option(
    "--column", "columns", multiple=True, metavar="KATA=TITLE",
    help="What canvas or moodle calls a kata; may be repeated.",
)  # fmt: skip
def export(
    kind: str, to: pathlib.Path, folder: pathlib.Path, anonymous: bool, columns: tuple[str, ...]
) -> None:
    """Write marks and verdicts for other systems.

    \b
    FORMAT      PATH
    canvas      a CSV file for the import of a Canvas gradebook
    moodle      a CSV file for Moodle's import of grades
    csv         a CSV file with all marks and totals, by id, and with
                the points possible in columns at the end
    gradescope  a folder: KATA/LEARNER/results.json
    jsonl       a file with a verdict on each line
    parquet     a folder: marks.parquet, gradings.parquet

    An empty cell in canvas and a - in moodle mean no grade: on import, one that was there goes.

    Further columns of roster.csv are used where they exist: canvas, login, section for Canvas (its
    ID, SIS Login ID, Section), idnumber for Moodle; else they know a learner by the id.
    """
    from grader.cohort import exports
    from grader.cohort.marks import Gradebook

    ours = open_cohort(folder)
    titles = _titles(ours, columns)
    if anonymous and kind in ("canvas", "moodle"):
        raise UsageError(f"{kind} has to know who is who; take csv, jsonl or parquet")
    files: Iterable[tuple[pathlib.Path, Iterable[str]]] = ()
    written: list[pathlib.Path] = []
    with ours.store() as store:
        book = Gradebook.make(ours, store, now())
        rename = store.pseudonym if anonymous else str
        if kind == "canvas":
            files = [(to, [exports.canvas(book, ours.roster, titles)])]
        elif kind == "moodle":
            files = [(to, [exports.moodle(book, ours.roster, titles)])]
        elif kind == "csv":
            files = [(to, [exports.marks_csv(book, rename)])]
        elif kind == "jsonl":
            files = [(to, exports.verdict_lines(store, book, rename))]
        elif kind == "gradescope":
            files = _gradescope(to, book, ours, store, rename)
        else:
            written = exports.parquet(to, book, rename)
        for path, lines in files:
            write(path, lines)
            written.append(path)
    waiting = sum(bool(made.waiting) for made in book.marks.values())
    if waiting:
        screen.say(
            f"{waiting} {'mark waits' if waiting == 1 else 'marks wait'} for a verdict; to go on: "
            f"{screen.program()} cohort grade"
        )
    screen.print_paths(written)


@click.command(
    epilog=examples(
        "kata cohort feedback --to pages                     for everybody",
        "kata cohort feedback --to pages --learner ada17",
        "kata cohort feedback --to comments --format comment",
    )
)
@in_cohort
@of_learners
@click.option("--to", type=_Path, required=True, metavar="DIR", help="A folder.")
@click.option(
    "--format", "kind", type=click.Choice(["html", "markdown", "comment"]), default="html",
    help="[default: html]",
)  # fmt: skip
def feedback(folder: pathlib.Path, learners: list[str], to: pathlib.Path, kind: str) -> None:
    """Write what each learner may read.

    One page for each, named by the learner's id; with --format comment a file for each commit that
    was graded, LEARNER.COMMIT.md, to be posted there; what has points but came from no commit
    stands in LEARNER.md:

    \b
      gh api repos/OWNER/REPO/commits/COMMIT/comments -F body=@FILE

    How much it tells is `feedback` in cohort.toml.
    """
    from grader.cohort.feedback import Page
    from grader.cohort.marks import Gradebook

    ours = open_cohort(folder)
    chosen = [each.id for each in ours.roster.chosen(learners)]
    written, no_commit = [], 0
    with ours.store() as store:
        book = Gradebook.make(ours, store, now(), learners=chosen if learners else None)
        for learner in chosen:
            page = Page.of(learner, book, ours, store)
            for suffix, text in page.files(kind).items():
                path = to / f"{learner}{suffix}"
                write(path, [text])
                written.append(path)
                if kind == "comment" and suffix == ".md":
                    no_commit += 1
    if no_commit:
        screen.say(
            f"for {no_commit} of {len(chosen)} learners there are points that came from no "
            "commit: these stand in LEARNER.md, and there is no commit to post them to"
        )
    screen.print_paths(written)


COMMANDS = (export, feedback)


def _titles(ours: "Cohort", columns: Iterable[str]) -> dict[str, str]:
    """What a column is called, by kata: its short name unless told otherwise."""
    titles = {kata.name: kata.short_name for kata in ours.katas}
    for column in columns:
        name, _, title = column.partition("=")
        if not title.strip():
            raise UsageError(f"--column {column!r}: write KATA=TITLE")
        titles[ours.chosen([name])[0].name] = title.strip()
    return titles


def _gradescope(
    to: pathlib.Path, book: "Gradebook", ours: "Cohort", store: "Store",
    rename: Callable[[str], str],
) -> Iterator[tuple[pathlib.Path, list[str]]]:  # fmt: skip
    from grader.cohort import exports

    titles_only, zone = ours.config.feedback == "titles", ours.config.zone
    standing_on: dict[str | None, list[tuple[str, Mark]]] = {}
    for (learner, _), made in book.marks.items():
        standing_on.setdefault(made.grading, []).append((learner, made))
    texts = ((key, text) for key, *_, text in store.verdict_texts())
    for key, text in itertools.chain([(None, "null")], texts):
        for learner, made in standing_on.get(key, ()):
            result = exports.gradescope(made, json.loads(text), zone, titles_only=titles_only)
            if result is not None:
                place = to / made.kata.partition("/")[2] / rename(learner) / "results.json"
                yield place, [json.dumps(result, indent=2), "\n"]


def write(path: pathlib.Path, lines: Iterable[str]) -> None:
    """Puts a whole file in place, or none."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", 1 << 20, "utf-8", newline="") as stream:
            stream.writelines(lines)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
