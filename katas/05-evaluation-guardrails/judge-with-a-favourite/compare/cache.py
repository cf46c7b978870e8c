"""Verdicts from earlier runs."""

from __future__ import annotations

import json
from pathlib import Path


class Cache:
    """A dict in a JSON file; without a folder, only a dict."""

    def __init__(self, folder: str | None) -> None:
        self.path = Path(folder) / "verdicts.json" if folder else None
        self.verdicts: dict[str, str] = {}
        if self.path and self.path.exists():
            self.verdicts = json.loads(self.path.read_text(encoding="utf-8"))

    def get(self, key: str) -> str | None:
        return self.verdicts.get(key)

    def put(self, key: str, verdict: str) -> None:
        self.verdicts[key] = verdict

    def save(self) -> None:
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.verdicts), encoding="utf-8")
