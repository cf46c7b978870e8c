"""Forgetting a learner: everything that is theirs goes, and a search shows what is left of them."""

import csv
import dataclasses
import io
import json
import math
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import IO

import markupsafe
import polars
import sqlalchemy as sa

from grader.cohort import archive
from grader.cohort.config import CONFIG, Cohort
from grader.cohort.integrity import LEADS
from grader.cohort.report import REPORT
from grader.cohort.roster import ROSTER, Learner
from grader.cohort.store import Store
from grader.errors import UsageError

_CHUNK = 1 << 20
#: What is unpacked of one file to be searched, and how deep: an archive of archives of archives.
_MOST_UNPACKED = 2 * 1024**3
_LEVELS = 4
#: Pages that tell of everybody and can be made anew.
_PAGES = (REPORT, LEADS)


@dataclasses.dataclass(frozen=True)
class Forgotten:
    """What is gone, and where something of the learner still stands."""

    rows: Mapping[str, int]
    files: Sequence[pathlib.Path]
    #: One line for each place: a file, a row of the database, or a file that could not be unpacked.
    left: Sequence[str]
    #: How many bytes, unpacked ones too, and rows were searched for them.
    searched_bytes: int
    searched_rows: int


def theirs(cohort: Cohort, id: str) -> list[pathlib.Path]:
    """Files and folders below the cohort's folder that are named by a learner's id, and pages.

    What lies in another learner's folder or source is theirs, whatever it is called.
    """
    wanted = id.casefold()
    ids = {wanted, *(each.casefold() for each in cohort.roster.ids)}
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


def known(cohort: Cohort, store: Store, id: str) -> Learner:
    """A learner of the roster, or one who has been struck from it and whose work is still here."""
    try:
        return cohort.roster.get(id)
    except UsageError:
        if id in store.learners():
            return Learner(id, "")
        raise


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
    given_away = _finder(learner, cohort.roster.learners)
    left, searched_rows = [], 0
    for where, text in store.texts():
        searched_rows += 1
        if given_away(text):
            left.append(f"database: {where}")
    search = _Search(given_away)
    for path in _files(cohort.folder):
        if told := search.told_of(path, f"{path.relative_to(cohort.folder)}"):
            left.append(told)
    return Forgotten(rows, files, left, search.bytes, searched_rows)


def _owner(name: str, ids: Collection[str]) -> str:
    """The longest of these ids that a name begins with, or "".

    As collect and feedback name things: "a1", "a1.html", "a1_leaky-cv.zip".
    """
    begins = name.casefold()
    while begins and begins not in ids:
        begins = begins[: max(begins.rfind("."), begins.rfind("_"), 0)]
    return begins


def _finder(learner: Learner, learners: Sequence[Learner]) -> Callable[[bytes], bool]:
    """What tells whether a text gives a learner away by id, name, address, source.

    None of these as a part of longer words or of another's id; nor what others have as well, as a
    section. As plain text, and as JSON and HTML write it.
    """
    others = [each for each in learners if each.id != learner.id]
    shared = {value for each in others for value in each.extra.values()}
    known = [learner.id, learner.name, learner.email, learner.source,
             *(value for value in learner.extra.values() if value not in shared)]  # fmt: skip
    ids = [each.id for each in others if learner.id.casefold() in each.id.casefold()]

    def any_of(words: Sequence[str]) -> bytes:
        written = [
            form
            for word in words
            if len(word) > 1
            for form in (word, json.dumps(word)[1:-1], str(markupsafe.escape(word)))
        ]
        return b"|".join(re.escape(form.encode()) for form in dict.fromkeys(written))

    pattern = re.compile(
        rb"(?i)(?<![a-z0-9-])(?:(%s)|%s)(?![a-z0-9-])" % (any_of(ids) or rb"(?!)", any_of(known))
    )
    return lambda text: any(found[1] is None for found in pattern.finditer(text))


def _strike(path: pathlib.Path, id: str) -> None:
    """Writes the roster without a learner's row; every other byte stays."""
    text = path.read_bytes().decode()
    header = text.partition("\n")[0]
    delimiter = ";" if ";" in header and "," not in header else ","
    # As the reader counts them: other marks that Unicode takes for the end of a line are none.
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
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
        shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; do so, and repeat") from None


def _files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            path = pathlib.Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


class _Search:
    """Looks for a learner in files, and in what is packed in them."""

    def __init__(self, given_away: Callable[[bytes], bool]) -> None:
        self.bytes = 0
        self._given_away = given_away

    def told_of(self, path: pathlib.Path, name: str) -> str:
        """The name, if the file or its name gives the learner away or cannot be searched; or ""."""
        if self._given_away(os.fsencode(name)):
            return name
        try:
            with path.open("rb") as stream:
                if self._in_stream(stream):
                    return name
                unpacked = self.bytes
                try:
                    if path.suffix == ".parquet":
                        found = any(map(self._in_stream, _rows(path)))
                    else:
                        found = self._in_members(stream, unpacked + _MOST_UNPACKED, _LEVELS)
                except (*archive.DAMAGED, polars.exceptions.PolarsError) as error:
                    return f"{name}, which cannot be unpacked to be searched: {error}"
                return name if found else ""
        except OSError as error:
            raise UsageError(f"{path} cannot be searched: {error.strerror}") from None

    def _in_stream(self, stream: IO[bytes], most: float = math.inf) -> bool:
        tail = b""
        while chunk := stream.read(_CHUNK):
            self.bytes += len(chunk)
            if self.bytes > most:
                raise ValueError(f"more than {_MOST_UNPACKED // 1024**3} GB")
            if self._given_away(tail + chunk):
                return True
            tail = chunk[-1000:]
        return False

    def _in_members(self, stream: IO[bytes], most: float, levels: int) -> bool:
        stream.seek(0)
        for names, content in archive.members(stream):
            if self._given_away(names.encode(errors="replace")) or self._in_stream(content, most):
                return True
            if levels > 1 and self._in_members(content, most, levels - 1):
                return True
        return False


def _rows(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """What stands in a Parquet file, as JSON."""
    for part in polars.read_parquet(path).iter_slices(10_000):
        text = io.BytesIO()
        part.write_ndjson(text)
        text.seek(0)
        yield text
