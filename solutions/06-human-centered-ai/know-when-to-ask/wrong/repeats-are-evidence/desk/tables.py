"""Files in and out, and what counts as evidence."""

import csv
import io
import math
import os
from dataclasses import dataclass
from pathlib import Path

FEATURES = ["letter", "site", "channel", "age", "pages", "proposal", "confidence"]
CALIBRATION = [*FEATURES, "fold", "truth"]
LETTERS = [*FEATURES, "harm", "waiting_days"]


class Refused(Exception):
    """An input that cannot be worked with."""


@dataclass(frozen=True)
class Evidence:
    """A proposal that the model made on a letter it was not trained on, with the truth."""

    site: str
    channel: str
    age: float
    pages: float
    proposal: str
    confidence: float
    wrong: bool


def read(path: Path, columns: list[str]) -> list[dict[str, str]]:
    """Every row, as text; a cell that is not there is an empty one."""
    try:
        reader = csv.DictReader(io.StringIO(path.read_bytes().decode()), restval="")
        rows = list(reader)
        header = reader.fieldnames or []
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"{path} is not CSV in UTF-8: {error}") from error
    missing = [name for name in columns if name not in header]
    if missing:
        raise Refused(f"{path} has no column {', '.join(missing)}")
    return rows


def evidence(rows: list[dict[str, str]], path: Path) -> list[Evidence]:
    """The rows that prove something: not trained on, decided by a specialist, each letter once."""
    found = {}
    for number_, row in enumerate(rows):
        if row["fold"] != "calibration" or row["truth"] == "":
            continue
        numbers = {name: number(row[name]) for name in ("age", "pages", "confidence")}
        for name, value in numbers.items():
            if value is None or (name == "confidence" and not 0 <= value <= 1):
                told = f"letter {row['letter']} has {name} {row[name]!r}"
                raise Refused(f"{path}: {told}, which is no evidence")
        texts = {name: row[name] for name in ("site", "channel", "proposal")}
        found[row["letter"], number_] = Evidence(**texts, **numbers, wrong=row["proposal"] != row["truth"])
    if not found:
        raise Refused(f"{path} has no row with fold calibration and a truth")
    return [found[letter] for letter in sorted(found)]


def number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def as_csv(rows: list[dict[str, object]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["letter", "action", "place", "reason", "detail"])
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def replace(path: Path, text: str) -> None:
    """The whole new file or the whole old one."""
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(text.encode())
    os.replace(beside, path)
