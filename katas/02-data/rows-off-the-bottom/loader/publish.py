"""Publishing: what the tracers' tool and the dashboard read."""

import csv
import hashlib
import sys
from pathlib import Path

import pandas as pd

from loader.manifest import Entry, Manifest
from loader.reading import COLUMNS

VERSION = "live"
CASES = ["day", *COLUMNS]
AMENDMENTS = ["day", "delivery", *COLUMNS]
LEDGER = ["delivery", "file", "sha256", "rows", "positives", "status"]


def append(out: Path, delivery: str, entry: Entry, frame: pd.DataFrame) -> None:
    """Adds one file's rows to what is there."""
    folder = out / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    for name, header in (
        ("cases.csv", CASES),
        ("amendments.csv", AMENDMENTS),  # the dashboard wants the file to be there
        ("ledger.csv", LEDGER),
    ):
        if not (folder / name).exists():
            (folder / name).write_text(",".join(header) + "\n")

    frame.insert(0, "day", entry.day)
    frame.to_csv(folder / "cases.csv", mode="a", header=False, index=False)

    with open(folder / "ledger.csv", "a", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerow(
            [
                delivery,
                entry.name,
                digest(entry, frame),
                len(frame),
                frame["positives"].sum(),
                "loaded",
            ]
        )


def digest(entry: Entry, frame: pd.DataFrame) -> str:
    content = entry.name + frame.to_csv(index=False)
    return hashlib.sha256(content.encode()).hexdigest()


def switch(out: Path) -> None:
    """Tells readers which folder to read."""
    (out / "CURRENT").write_text(VERSION + "\n")


def check(out: Path, promised: Manifest) -> int:
    """Compares what is in the ledger with what the exchange promised."""
    ledger = pd.read_csv(out / VERSION / "ledger.csv")
    ledger = ledger[ledger["delivery"] == promised.delivery]
    expected = sum(entry.rows for entry in promised.files)
    if ledger["rows"].sum() < expected:
        short = expected - ledger["rows"].sum()
        print(f"loader: warning: {short} rows fewer than in the manifest", file=sys.stderr)
    return 0
