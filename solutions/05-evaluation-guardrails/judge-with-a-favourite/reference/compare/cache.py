"""Verdicts from earlier runs: one line of JSON for each, written as soon as it has come."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import IO, Self


class Cache:
    def __init__(self, folder: str | None) -> None:
        self._verdicts: dict[str, str] = {}
        self._file: IO[str] | None = None
        self._lock = threading.Lock()
        if folder is not None:
            path = Path(folder) / "verdicts.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._read(path)
            self._file = path.open("a")
            self._file.write("\n")  # ends a line that a kill has cut short

    def _read(self, path: Path) -> None:
        for line in path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
                self._verdicts[entry["key"]] = entry["verdict"]
            except (ValueError, TypeError, KeyError):
                continue  # cut short; it will be asked for again

    def get(self, key: str) -> str | None:
        return self._verdicts.get(key)

    def put(self, key: str, verdict: str) -> None:
        with self._lock:
            self._verdicts[key] = verdict
            if self._file is not None:
                self._file.write(json.dumps({"key": key, "verdict": verdict}) + "\n")
                self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
