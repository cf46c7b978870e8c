"""Reads the event log and the list of accounts."""

import csv
import json
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def read_log(path: Path) -> list[Event]:
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line:
            events.append(json.loads(line))
    return events


def read_people(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["person"]: row for row in csv.DictReader(stream)}
