"""The manifest that the exchange sends with each delivery."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Entry:
    name: str
    day: str
    encoding: str
    dates: str
    rows: int
    positives: int


@dataclass
class Manifest:
    delivery: str
    files: list[Entry]


def read(path: Path) -> Manifest:
    told = json.loads(path.read_text())
    files = [
        Entry(
            name=one["name"],
            day=one["day"],
            encoding=one.get("encoding", "utf-8"),
            dates=one.get("dates", "DD/MM/YYYY"),
            rows=one.get("rows", 0),
            positives=one.get("positives", 0),
        )
        for one in told["files"]
    ]
    return Manifest(told["delivery"], files)
