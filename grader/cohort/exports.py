"""Marks and verdicts for other systems: Canvas, Moodle, Gradescope, JSON Lines, Parquet.

Names and e-mail addresses come from the roster at the time of writing, and stand only where a
system needs them to tell people apart. What a spreadsheet would take for a formula is defused.
"""

import csv
import io
import json
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from fractions import Fraction
from typing import Any

import polars as pl

from grader.cohort.feedback import findings, visible
from grader.cohort.marks import Gradebook, Mark, State, explain, plainly, shown
from grader.cohort.roster import Learner, Roster
from grader.cohort.store import Store
from grader.errors import UsageError

#: The most that Moodle takes for one grade, unless a site allows more.
_MOODLE_MOST = 100
#: Where a spreadsheet begins a formula: at the start of a cell, or behind what some country's
#: settings take for the end of one; also as full-width signs.
_FORMULA = re.compile(r"(^|[;,|\t\r\n])( *)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_Column = type[pl.DataType] | pl.DataType
_POINTS = pl.Decimal(12, 2)
_UTC = pl.Datetime("us", "UTC")
_MARKS: Mapping[str, _Column] = {
    "learner": pl.String, "kata": pl.String, "state": pl.String, "points": _POINTS,
    "possible": pl.Int32, "weight": _POINTS, "earned": _POINTS, "days_late": pl.Int32,
    "penalty_percent": _POINTS, "adjustment": _POINTS, "attempts": pl.Int32,
    "waiting": pl.Int32, "ignored": pl.Int32, "refused": pl.Int32,
    "submission": pl.String, "handed_in": _UTC}  # fmt: skip
_GRADINGS: Mapping[str, _Column] = {
    "kata": pl.String, "submission": pl.String, "applied": pl.Boolean,
    "kata_hash": pl.String, "image": pl.String, "grader": pl.String,
    "engine": pl.String, "seed": pl.Int64, "outcome": pl.String,
    "points": pl.Int32, "possible": pl.Int32, "failing": pl.List(pl.String),
    "seconds": pl.Float64, "at": _UTC}  # fmt: skip


def defused(text: str) -> str:
    """A text that no spreadsheet takes for a formula.

    An apostrophe goes in front of = + - @ and of tabs and carriage returns, as OWASP advises
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    quoted = _FORMULA.sub(r"\1'\2", text)
    return f"'{quoted}" if quoted.startswith(("\t", "\r")) else quoted


def canvas(book: Gradebook, roster: Roster, titles: Mapping[str, str]) -> str:
    """The CSV that a Canvas gradebook imports. `titles`: an assignment's title by kata.

    As lib/gradebook_importer.rb of instructure/canvas-lms reads it: the first columns are Student,
    ID, SIS Login ID, Section; a row "Points Possible" comes before the students; EX is excused, an
    empty cell no grade; an assignment is found by its title, best by "Title (its number)", as in
    a gradebook that Canvas exports. The roster's columns `canvas`, `login` and `section` fill ID,
    SIS Login ID (else the learner's id) and Section.
    """
    head = ["Student", "ID", "SIS Login ID", "Section"]
    rows: list[list[str]] = [
        [*head, *(defused(titles[each.kata]) for each in book.assignments)],
        ["    Points Possible", "", "", "", *(str(each.possible) for each in book.assignments)],
    ]
    for learner in _learners(book, roster):
        # Canvas would take a learner of that name for the row above.
        name = learner.name.replace("Points Possible", "Points-Possible")
        login = learner.extra.get("login") or learner.id
        who = [name, learner.extra.get("canvas", ""), login, learner.extra.get("section", "")]
        rows.append([*map(defused, who), *(_cell(made, "EX", "") for made in book.of(learner.id))])
    return _csv(rows)


def moodle(book: Gradebook, roster: Roster, titles: Mapping[str, str]) -> str:
    """The CSV that Moodle's grade import takes (https://docs.moodle.org/en/Grade_import).

    One column to know people by is chosen at the import: map "ID number" (roster: `idnumber`, else
    the learner's id) or "Email address". As grade/import/csv of moodle/moodle reads it, "-" is no
    grade, also for the excused, and a grade above 100 makes it refuse the whole file.
    """
    head = ["ID number", "Name", "Email address"]
    rows = [[*head, *(defused(titles[each.kata]) for each in book.assignments)]]
    for learner in _learners(book, roster):
        marks = book.of(learner.id)
        for made in marks:
            if made.points is not None and shown(made.points) > _MOODLE_MOST:
                raise UsageError(
                    f"{learner.id} has {shown(made.points)} points for {made.kata}; Moodle takes "
                    f"no more than {_MOODLE_MOST}: adjust the mark"
                )
        who = [learner.extra.get("idnumber") or learner.id, learner.name, learner.email]
        rows.append([*map(defused, who), *(_cell(made, "-", "-") for made in marks)])
    return _csv(rows)


def marks_csv(book: Gradebook, rename: Callable[[str], str]) -> str:
    """All marks by id, with the total: for people and spreadsheets.

    The points possible stand in columns at the end, so that each row is a learner's.
    """
    kinds = [each.kata.partition("/")[2] for each in book.assignments]
    tops = [str(each.possible) for each in book.assignments]
    rows = [["learner", *kinds, "total percent", "weight still open",
             *(f"{kind} possible" for kind in kinds)]]  # fmt: skip
    for learner in book.learners:
        total = book.total(learner)
        percent = "" if total.percent is None else str(shown(total.percent))
        cells = [_cell(made, State.EXCUSED, made.state) for made in book.of(learner)]
        rows.append([rename(learner), *cells, percent, plainly(Fraction(total.still_open)),
                     *tops])  # fmt: skip
    return _csv(rows)


def gradescope(
    made: Mark, verdict: Mapping[str, Any] | None, zone: tzinfo, *, titles_only: bool
) -> dict[str, Any] | None:
    """A results.json; None where there is nothing to tell yet.

    The format: https://gradescope-autograders.readthedocs.io/en/latest/specs/. Its `score`
    overrides the sum of the tests, so it is the mark: after lateness and adjustments.
    """
    if made.points is None:
        return None
    tests = []
    for each in (verdict or {}).get("behaviours", ()):
        test = {
            "name": each["sentence"],
            "name_format": "text",
            "score": each["points"]["earned"],
            "max_score": each["points"]["possible"],
            "status": "passed" if each["outcome"] == "passed" else "failed",
            "visibility": "visible",
        }
        if each["finding"] and not titles_only:
            said = (f"{key}: {text}" for key, text in findings(each["finding"]))
            test |= {"output": "\n".join(said), "output_format": "text"}
        tests.append(test)
    result: dict[str, Any] = {
        "score": float(shown(made.points)),
        "output": visible("\n".join(explain(made, zone))),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }
    if verdict is not None:
        result["execution_time"] = verdict["seconds"]
        result["extra_data"] = {"kata": made.kata, "seed": verdict["seed"],
                                "kata_hash": verdict["kata"]["hash"]}  # fmt: skip
    return result


def verdict_lines(store: Store, book: Gradebook, rename: Callable[[str], str]) -> Iterator[str]:
    """JSON Lines: every verdict that is kept, old editions too, and who handed that work in.

    `applied` tells whether marks stand on it; verdicts are as `verdict.schema.json` says.
    """
    whose: dict[tuple[str, str], set[str]] = {}
    for learner, kata in book.marks:
        for hand_in in book.hand_ins.get((learner, kata), ()):
            whose.setdefault((kata, hand_in.submission or ""), set()).add(rename(learner))
    for key, kata, submission, at, verdict in store.verdict_texts():
        counting = book.counting.get(kata, {}).get(submission)
        # One that has come in the meantime belongs to the next export.
        if counting and (handed_in_by := whose.get((kata, submission))):
            head = json.dumps(
                {
                    "learners": sorted(handed_in_by),
                    "at": at.isoformat(),
                    "applied": key == counting.key,
                }
            )
            yield f'{head[:-1]}, "verdict": {verdict}}}\n'


def marks_table(book: Gradebook, rename: Callable[[str], str]) -> pl.DataFrame:
    """One row for each learner and kata."""
    weights = {each.kata: each.weight for each in book.assignments}
    made = [each for learner in book.learners for each in book.of(learner)]
    # By column: polars takes in rows three times as slowly.
    columns: dict[str, list[Any]] = {
        name: [getattr(each, name) for each in made]
        for name in ("kata", "possible", "days_late", "attempts", "waiting", "ignored", "refused")
    }
    columns |= {
        "learner": [name for name in map(rename, book.learners) for _ in book.assignments],
        "state": [each.state.value for each in made],
        "points": [None if each.points is None else shown(each.points) for each in made],
        "weight": [weights[each.kata] for each in made],
        "earned": [None if each.earned is None else shown(each.earned) for each in made],
        "penalty_percent": [shown(each.penalty) for each in made],
        "adjustment": [shown(each.adjustment) for each in made],
        "submission": [each.hand_in and each.hand_in.submission for each in made],
        "handed_in": [each.hand_in and each.hand_in.at for each in made],
    }
    return pl.DataFrame({name: columns[name] for name in _MARKS}, _MARKS)


def gradings_table(book: Gradebook) -> pl.DataFrame:
    """One row for each grading that is kept; joins the other table by kata and submission."""
    gradings = [each for each in book.gradings if each.kata in book.counting]
    columns: dict[str, list[Any]] = {
        name: [getattr(each, name) for each in gradings]
        for name in _GRADINGS
        if name not in ("applied", "failing")
    }
    columns["applied"] = [each is book.counting[each.kata][each.submission] for each in gradings]
    # As texts: lists of Python's are taken in one by one.
    failing = pl.Series([" ".join(each.failing) for each in gradings], dtype=pl.String)
    found = {**columns, "failing": failing.str.extract_all(r"\S+")}
    return pl.DataFrame({name: found[name] for name in _GRADINGS}, _GRADINGS)


def parquet(
    folder: pathlib.Path, book: Gradebook, rename: Callable[[str], str]
) -> list[pathlib.Path]:
    """Writes both tables into a folder; returns the files."""
    paths = [folder / "marks.parquet", folder / "gradings.parquet"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # One after the other: together they would take twice the memory.
        marks_table(book, rename).write_parquet(paths[0])
        gradings_table(book).write_parquet(paths[1])
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from None
    return paths


def _learners(book: Gradebook, roster: Roster) -> list[Learner]:
    known = {each.id: each for each in roster.learners}
    return [known[id] for id in book.learners]


def _cell(made: Mark, excused: str, empty: str) -> str:
    if made.state is State.EXCUSED:
        return excused
    return empty if made.points is None else str(shown(made.points))


def _csv(rows: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows(rows)
    return stream.getvalue()
