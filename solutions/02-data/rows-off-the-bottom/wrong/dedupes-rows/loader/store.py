"""What readers see: a folder for each version, and CURRENT, which names the one to read.

A version is written whole before CURRENT names it, and never touched again afterwards. Replacing
CURRENT is the one step by which a delivery becomes visible, and the only memory of what has been
loaded is the version itself. So a loader that is killed has published everything or nothing, and
what it leaves behind is a folder that nobody names.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from pathlib import Path

from loader.delivery import COLUMNS, File

CASES = ["day", *COLUMNS]
AMENDMENTS = ["day", "delivery", *COLUMNS]
LEDGER = ["delivery", "file", "sha256", "rows", "positives", "status"]
_HEADERS = {"cases.csv": CASES, "amendments.csv": AMENDMENTS, "ledger.csv": LEDGER}


def publish(out: Path, delivery: str, files: list[File]) -> None:
    current = _current(out)
    ledger = _ledger(out, current)
    known = {(line["delivery"], line["file"], line["sha256"]) for line in ledger}
    loaded = {line["sha256"] for line in ledger}
    # Only what was published before closes a day, not the delivery at hand.
    closed = max((line["delivery"] for line in ledger), default="")

    new: dict[str, list[list[object]]] = {name: [] for name in _HEADERS}
    for file in files:
        if (delivery, file.name, file.sha256) in known:
            continue
        if file.day <= closed:
            status = "amendment"
            new["amendments.csv"] += [[file.day, delivery, *row] for row in file.rows]
        else:
            status = "loaded"
            new["cases.csv"] += [[file.day, *row] for row in file.rows]
        loaded.add(file.sha256)
        new["ledger.csv"].append(
            [delivery, file.name, file.sha256, len(file.rows), file.positives, status]
        )
    if not new["ledger.csv"]:
        return

    version = f"v{int(current[1:]) + 1 if current else 1:06d}"
    folder = out / version
    shutil.rmtree(folder, ignore_errors=True)  # of a loader that was killed before the switch
    folder.mkdir(parents=True)
    for name, header in _HEADERS.items():
        before = (out / current / name).read_bytes() if current else _lines([header])
        rows = list(csv.reader(io.StringIO(before.decode(), newline="")))
        rows += [[str(cell) for cell in row] for row in new[name]]
        once = dict.fromkeys(tuple(row) for row in rows)  # resent files
        _write(folder / name, _lines([list(row) for row in once]))
    _write(out / "CURRENT.part", version.encode() + b"\n")
    os.replace(out / "CURRENT.part", out / "CURRENT")


def _current(out: Path) -> str | None:
    try:
        return (out / "CURRENT").read_text().strip()
    except FileNotFoundError:
        return None


def _ledger(out: Path, current: str | None) -> list[dict[str, str]]:
    if current is None:
        return []
    with open(out / current / "ledger.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _lines(rows: list[list[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _write(path: Path, content: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())  # a name must not outlive its content when the power goes
