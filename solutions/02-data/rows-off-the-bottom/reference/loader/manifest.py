"""What the exchange promises: which files a delivery has, in which form, with how much in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

#: By the manifest's name for it, Python's; a BOM may stand before UTF-8, and is no data.
ENCODINGS = {"utf-8": "utf-8-sig", "latin-1": "latin-1"}
DATES = {"DD/MM/YYYY": "%d/%m/%Y", "MM/DD/YYYY": "%m/%d/%Y", "YYYY-MM-DD": "%Y-%m-%d"}


class Unusable(Exception):
    """The command cannot be carried out as it was given."""


@dataclass(frozen=True)
class Entry:
    name: str
    day: str
    encoding: str
    dates: str
    rows: int
    positives: int


@dataclass(frozen=True)
class Manifest:
    delivery: str
    files: tuple[Entry, ...]


def read(path: Path) -> Manifest:
    try:
        told = json.loads(path.read_bytes())
        files = tuple(_entry(one) for one in told["files"])
        return Manifest(_day(told["delivery"]), files)
    except KeyError as missing:
        raise Unusable(f"{path}: no field {missing}") from None
    except (OSError, ValueError, TypeError) as error:
        raise Unusable(f"{path}: {error}") from None


def _entry(told: dict[str, Any]) -> Entry:
    entry = Entry(
        name=told["name"],
        day=_day(told["day"]),
        encoding=told["encoding"],
        dates=told["dates"],
        rows=told["rows"],
        positives=told["positives"],
    )
    if entry.encoding not in ENCODINGS or entry.dates not in DATES:
        raise ValueError(f"{entry.name}: encoding {entry.encoding!r}, dates {entry.dates!r}")
    return entry


def _day(text: str) -> str:
    """Days are compared as text further on, which is right for this one form only."""
    return date.fromisoformat(text).isoformat()
