"""The files that the job leaves behind."""

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    columns = ["answer", "model", "people", "up", "down", "score"]
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def json_text(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"


def replace(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes all of them beside their places first, then moves each into its place."""
    folder.mkdir(parents=True, exist_ok=True)
    training = folder / "training.jsonl"
    if training.exists():
        old = training.read_text(encoding="utf-8").splitlines(keepends=True)
        known = {json.loads(line)["showing"] for line in old}
        new = texts["training.jsonl"].splitlines(keepends=True)
        new = [line for line in new if json.loads(line)["showing"] not in known]
        texts = {**texts, "training.jsonl": "".join(old + new)}
    for name, text in texts.items():
        (folder / f".{name}.new").write_text(text, encoding="utf-8")
    for name in texts:
        os.replace(folder / f".{name}.new", folder / name)
