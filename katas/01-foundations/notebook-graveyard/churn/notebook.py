"""Runs the code cells of churn.ipynb in the order in which they were last executed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parent.parent / "churn.ipynb"
SHARE = "/mnt/share/retention/churn"


class CellFailed(Exception):
    """A cell raised; the text says which one and what."""


def run(paths: Mapping[str, str], *, last: int) -> dict[str, Any]:
    """Runs every cell up to execution count `last` and returns the notebook's variables.

    `paths` maps files below SHARE to the files that shall be used instead.
    """
    variables: dict[str, Any] = {}
    for count, source in _cells():
        if count > last:
            break
        for old, new in paths.items():
            source = source.replace(f"{SHARE}/{old}", new)
        try:
            exec(compile(source, f"cell [{count}]", "exec"), variables)
        except Exception as error:
            raise CellFailed(f"cell [{count}]: {type(error).__name__}: {error}") from error
    return variables


def _cells() -> list[tuple[int, str]]:
    cells = []
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] != "code" or cell["execution_count"] is None:
            continue
        lines = [line for line in cell["source"] if not line.startswith(("%", "!"))]
        source = "".join(lines)
        if ".plot(" not in source:
            cells.append((cell["execution_count"], source))
    return sorted(cells)
