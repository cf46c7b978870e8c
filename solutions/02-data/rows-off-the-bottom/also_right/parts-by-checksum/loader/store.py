"""Parts and a log: each file's rows lie under its checksum, and the log says what became of it.

A part is written once and means the same for ever, so it may be written before anybody decides. A
version's folder is put together from the log and the parts, under the checksum of the log: the same
log always gives the same folder.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any

from loader.delivery import COLUMNS, File

LEDGER = ["delivery", "file", "sha256", "rows", "positives", "status"]


def publish(out: Path, delivery: str, files: list[File]) -> None:
    parts = out / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    for file in files:
        part = parts / f"{file.sha256}.json"
        if not part.exists():
            _place(part, json.dumps(file.rows))
    log = _log(out)
    _decide(log, delivery, files)
    text = json.dumps(log, indent=1)
    version = hashlib.sha256(text.encode()).hexdigest()
    if not (out / version).exists():
        # Under another name until it is whole; what a killed loader leaves is in nobody's way.
        draft = out / f"draft-{uuid.uuid4().hex}"
        draft.mkdir()
        (draft / "log.json").write_text(text)
        _build(draft, parts, log)
        os.rename(draft, out / version)
    _place(out / "CURRENT", version)


def _log(out: Path) -> list[dict[str, Any]]:
    try:
        version = (out / "CURRENT").read_text()
    except FileNotFoundError:
        return []
    return json.loads((out / version / "log.json").read_text())


def _decide(log: list[dict[str, Any]], delivery: str, files: list[File]) -> None:
    closed = max((line["delivery"] for line in log), default="")
    for file in files:
        same = [line for line in log if line["sha256"] == file.sha256]
        if any((line["delivery"], line["file"]) == (delivery, file.name) for line in same):
            continue
        status = "loaded" if file.day > closed else "amendment"
        log.append(
            {
                "delivery": delivery,
                "file": file.name,
                "day": file.day,
                "sha256": file.sha256,
                "rows": len(file.rows),
                "positives": file.positives,
                "status": "duplicate" if same else status,
            }
        )


def _build(folder: Path, parts: Path, log: list[dict[str, Any]]) -> None:
    with (
        open(folder / "cases.csv", "w", encoding="utf-8", newline="") as cases,
        open(folder / "amendments.csv", "w", encoding="utf-8", newline="") as amendments,
        open(folder / "ledger.csv", "w", encoding="utf-8", newline="") as ledger,
    ):
        loaded, amended, lines = csv.writer(cases), csv.writer(amendments), csv.writer(ledger)
        loaded.writerow(["day", *COLUMNS])
        amended.writerow(["day", "delivery", *COLUMNS])
        lines.writerow(LEDGER)
        for line in log:
            lines.writerow([line[column] for column in LEDGER])
            if line["status"] == "duplicate":
                continue
            rows = json.loads((parts / f"{line['sha256']}.json").read_text())
            if line["status"] == "loaded":
                loaded.writerows([line["day"], *row] for row in rows)
            else:
                amended.writerows([line["day"], line["delivery"], *row] for row in rows)


def _place(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    os.replace(draft, path)
