"""Reads a delivery's files and holds them against the manifest; nothing is written here."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from loader.manifest import DATES, ENCODINGS, Entry, Manifest, Unusable

COLUMNS = ["specimen_date", "site", "postcode", "travel", "positives"]
_WHOLE_NUMBER = re.compile("[0-9]+")


class Disagrees(Exception):
    """The delivery is not what the manifest says."""

    def __init__(self, complaints: list[str]) -> None:
        self.complaints = complaints


class Unreadable(Exception):
    """A file that is not in the form that the manifest says."""


@dataclass(frozen=True)
class File:
    name: str
    day: str
    sha256: str
    rows: list[list[str]]

    @property
    def positives(self) -> int:
        return sum(int(row[-1]) for row in self.rows)


def reconcile(manifest: Manifest, folder: Path) -> list[File]:
    """Every file of the delivery, once all of them are what the manifest says."""
    if not folder.is_dir():
        raise Unusable(f"{folder} is not a folder")
    complaints, files = [], []
    for entry in manifest.files:
        try:
            file = read(folder / entry.name, entry)
        except Unreadable as error:
            complaints.append(f"{entry.name}: {error}")
            continue
        files.append(file)
        for what, promised, found in (
            ("rows", entry.rows, len(file.rows)),
            ("positives", entry.positives, file.positives),
        ):
            if promised != found:
                complaints.append(f"{entry.name}: {what} promised {promised}, found {found}")
    listed = {entry.name for entry in manifest.files}
    for path in sorted(folder.glob("*.csv")):
        if path.name not in listed:
            complaints.append(f"{path.name}: not in the manifest")
    if complaints:
        raise Disagrees(complaints)
    return files


def read(path: Path, entry: Entry) -> File:
    try:
        content = path.read_bytes()
        text = content.decode(ENCODINGS[entry.encoding])
        rows = list(_rows(text, DATES[entry.dates]))
    except FileNotFoundError:
        raise Unreadable("not delivered") from None
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start} is not {entry.encoding}") from None
    except csv.Error as error:
        raise Unreadable(str(error)) from None
    return File(entry.name, entry.day, hashlib.sha256(content).hexdigest(), rows)


def _rows(text: str, dates: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text))
    if (header := next(reader, [])) != COLUMNS:
        raise Unreadable(f"the header is {header}")
    for cells in reader:
        line = f"line {reader.line_num}"
        if len(cells) != len(COLUMNS):
            raise Unreadable(f"{line} has {len(cells)} cells")
        if not _WHOLE_NUMBER.fullmatch(cells[-1]):
            raise Unreadable(f"{line}: positives is {cells[-1]!r}")
        try:
            cells[0] = _iso(cells[0], dates)
        except ValueError as error:
            raise Unreadable(f"{line}: {error}") from None
        yield cells


@functools.cache
def _iso(text: str, form: str) -> str:
    return datetime.strptime(text, form).date().isoformat()
