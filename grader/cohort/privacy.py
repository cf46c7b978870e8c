"""Forgetting a learner: everything that is theirs goes, and a search shows what is left of them."""

import csv
import dataclasses
import io
import os
import pathlib
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence

import sqlalchemy as sa

from grader.cohort.config import CONFIG, Cohort
from grader.cohort.integrity import LEADS
from grader.cohort.report import REPORT
from grader.cohort.roster import ROSTER, Learner
from grader.cohort.store import Store
from grader.errors import UsageError

_CHUNK = 1 << 20
#: Pages that tell of everybody and can be made anew.
_PAGES = (REPORT, LEADS)


@dataclasses.dataclass(frozen=True)
class Forgotten:
    """What is gone, and where something of the learner still stands."""

    rows: Mapping[str, int]
    files: Sequence[pathlib.Path]
    #: One line for each place: a file, or a row of the database.
    left: Sequence[str]
    #: How many bytes and rows were searched for them.
    searched_bytes: int
    searched_rows: int


def theirs(cohort: Cohort, id: str) -> list[pathlib.Path]:
    """Files and folders below the cohort's folder that are named by a learner's id, and pages.

    What lies in another learner's folder or source is theirs, whatever it is called.
    """
    wanted, ids = id.casefold(), {each.casefold() for each in cohort.roster.ids}
    sources = {(cohort.folder / each.source).resolve() for each in cohort.roster.learners
               if each.source and each.id.casefold() != wanted}  # fmt: skip
    database = pathlib.Path(sa.make_url(cohort.database).database or "").absolute()
    kept = (cohort.folder / CONFIG, cohort.folder / ROSTER)
    found = [path for name in _PAGES if (path := cohort.folder / name).is_file()]
    for place, folders, names in os.walk(cohort.folder):
        owned = {name: _owner(name, ids) for name in [*folders, *names]}
        for name in [name for name, owner in owned.items() if owner == wanted]:
            path = pathlib.Path(place, name)
            # Beside the database lie its logs, named by it.
            stores = path.parent == database.parent and name.startswith(database.name)
            if path not in kept and not stores:
                found.append(path)
        folders[:] = [name for name in folders
                      if not owned[name] and pathlib.Path(place, name).resolve() not in sources
                     ]  # fmt: skip
    return sorted(set(found))


def forget(cohort: Cohort, store: Store, learner: Learner) -> Forgotten:
    """Deletes a learner from store, roster and the cohort's folder, and searches for the rest.

    Sources outside of the folder (a repository, a course system, a backup) are not reached.
    """
    rows = store.forget(learner.id)
    files = theirs(cohort, learner.id)
    for path in files:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            raise UsageError(
                f"{path} cannot be deleted: {error.strerror}; do so, and repeat"
            ) from (None)
    # The roster last: as long as they stand there, the command can be repeated.
    _strike(cohort.folder / ROSTER, learner.id)
    words = _words(learner)
    left, searched_rows = [], 0
    for where, text in store.texts():
        searched_rows += 1
        if words.search(text):
            left.append(f"database: {where}")
    searched_bytes = 0
    for path in _files(cohort.folder):
        size, found = _search(path, words)
        searched_bytes += size
        if found:
            left.append(f"{path.relative_to(cohort.folder)}")
    return Forgotten(rows, files, left, searched_bytes, searched_rows)


def _owner(name: str, ids: Collection[str]) -> str:
    """The longest of these ids that a name begins with, or "".

    As collect and feedback name things: "a1", "a1.html", "a1_leaky-cv.zip".
    """
    begins = name.casefold()
    while begins and begins not in ids:
        begins = begins[: max(begins.rfind("."), begins.rfind("_"), 0)]
    return begins


def _words(learner: Learner) -> re.Pattern[bytes]:
    """What gives a learner away: id, name, address, source; none as a part of longer words."""
    known = [learner.id, learner.name, learner.email, learner.source, *learner.extra.values()]
    parts = [re.escape(word.encode()) for word in dict.fromkeys(known) if len(word) > 1]
    return re.compile(rb"(?i)(?<![\w-])(?:" + b"|".join(parts) + rb")(?![\w-])")


def _strike(path: pathlib.Path, id: str) -> None:
    """Writes the roster without a learner's row; every other byte stays."""
    text = path.read_bytes().decode("utf-8-sig")
    header = text.partition("\n")[0]
    delimiter = ";" if ";" in header and "," not in header else ","
    lines = text.splitlines(keepends=True)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    kept, before = [], 0
    column: int | None = None
    for row in reader:
        cells = [cell.strip() for cell in row]
        if column is None and any(cells):
            column = [cell.casefold() for cell in cells].index("id")
        mine = column is not None and len(cells) > column and cells[column] == id
        if not mine:
            kept += lines[before : reader.line_num]
        before = reader.line_num
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes("".join(kept).encode())
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; do so, and repeat") from None


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            path = pathlib.Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _search(path: pathlib.Path, words: re.Pattern[bytes]) -> tuple[int, bool]:
    """How many bytes a file has, and whether one of the words stands among them."""
    size, tail = 0, b""
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if words.search(tail + chunk):
                    return size, True
                tail = chunk[-1000:]
    except OSError as error:
        raise UsageError(f"{path} cannot be searched: {error.strerror}") from None
    return size, False
