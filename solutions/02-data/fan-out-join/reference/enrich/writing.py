"""Writing the two files. Whoever reads one sees the old or the new, never half of either."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd


def write_csv(path: Path, lines: pd.DataFrame) -> None:
    _replace(path, lines.to_csv(index=False))


def write_json(path: Path, told: dict[str, Any]) -> None:
    _replace(path, json.dumps(told, indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(text.encode())
    os.replace(draft, path)
