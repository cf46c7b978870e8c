"""The event log and the list of accounts, checked."""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
VOTES = ("up", "down", "none")
VERDICTS = ("good", "bad")

#: Fields besides `id` and `at`, and what each of them has to be.
FIELDS = {
    "shown": {
        "showing": lambda v: is_text(v),
        "person": lambda v: is_text(v),
        "answer": lambda v: is_text(v),
        "model": lambda v: is_text(v),
        "position": lambda v: type(v) is int and v >= 1,
        "propensity": lambda v: type(v) in (int, float) and 0 < v <= 1,
    },
    "vote": {
        "showing": lambda v: is_text(v),
        "person": lambda v: is_text(v),
        "model": lambda v: is_text(v),
        "vote": lambda v: v in VOTES,
        "comment": lambda v: v is None or type(v) is str,
    },
    "outcome": {"showing": lambda v: is_text(v), "solved": lambda v: type(v) is bool},
    "audit": {"showing": lambda v: is_text(v), "verdict": lambda v: v in VERDICTS},
    "consent": {"person": lambda v: is_text(v), "given": lambda v: type(v) is bool},
}


class Refused(Exception):
    """The input cannot be used; the text says why."""


class Damaged(ValueError):
    """A line of the log cannot be used."""


@dataclass(frozen=True)
class Account:
    joined: datetime
    evaluation: bool


@dataclass
class Log:
    """Events of each type in the order of their times."""

    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    vote: list[dict[str, Any]] = field(default_factory=list)
    outcome: list[dict[str, Any]] = field(default_factory=list)
    audit: list[dict[str, Any]] = field(default_factory=list)
    consent: list[dict[str, Any]] = field(default_factory=list)
    damaged: int = 0


def is_text(value: object) -> bool:
    return type(value) is str and value != ""


def moment(text: object) -> datetime:
    if type(text) is not str or not TIME.fullmatch(text):
        raise Refused(f"{text!r} is no time such as 2026-03-02T08:14:05Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r}: {error}") from None


def read_people(path: Path) -> dict[str, Account]:
    people = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            for column in ("person", "joined_at", "evaluation"):
                if column not in (reader.fieldnames or ()):
                    raise Refused(f"{path} has no column {column}")
            for row in reader:
                if row["evaluation"] not in ("0", "1"):
                    raise Refused(f"{path}: evaluation is {row['evaluation']!r}, not 0 or 1")
                try:
                    joined = moment(row["joined_at"])
                except Refused as refusal:
                    raise Refused(f"{path}: joined_at: {refusal}") from None
                people[row["person"]] = Account(joined, row["evaluation"] == "1")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"{path}: {error}") from None
    return people


def read_log(path: Path, now: datetime, people: Mapping[str, Account]) -> Log:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise Refused(f"{path}: {error}") from None
    log, events = Log(), {}
    for line in lines:
        if not line.strip():
            continue
        try:
            event = checked(line)
        except Damaged:
            log.damaged += 1
            continue
        if event["type"] in FIELDS and event["at"] <= now:
            events.setdefault(event["id"], event)

    for event in events.values():
        if event["type"] == "shown":
            if event["person"] in people:
                log.shown.setdefault(event["showing"], event)
        else:
            getattr(log, event["type"]).append(event)
    return log


def checked(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Damaged from None
    if not isinstance(event, dict) or not is_text(event.get("type")):
        raise Damaged
    if event["type"] not in FIELDS:
        return event
    if not is_text(event.get("id")):
        raise Damaged
    if not all(fits(event.get(name)) for name, fits in FIELDS[event["type"]].items()):
        raise Damaged
    try:
        return {**event, "at": moment(event.get("at"))}
    except Refused:
        raise Damaged from None
