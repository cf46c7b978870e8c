"""Reading the night's export: every cell as text, and none that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd

from enrich.contract import COLUMNS


class Unusable(Exception):
    """The export cannot be worked with; the text says which file and what about it."""


def load(folder: Path) -> dict[str, pd.DataFrame]:
    tables = {name: _read(folder / f"{name}.csv", columns) for name, columns in COLUMNS.items()}
    for name, column, convert in [
        ("orders", "quantity", int),
        ("orders", "amount_cents", int),
        ("orders", "order_date", date.fromisoformat),
        ("costs", "valid_from", date.fromisoformat),
        ("costs", "valid_to", end),
    ]:
        _check(tables[name][column], convert, f"{name}.csv")
    return tables


def _read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        # pandas would make 12 of 0012, a gap of NA, and a rounded float of a long number.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise Unusable(f"{path.name} is missing") from None
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    if missing := [column for column in columns if column not in table]:
        raise Unusable(f"{path.name} has no column {', '.join(missing)}")
    return table[columns]


def _check(cells: pd.Series, convert: Callable[[str], object], name: str) -> None:
    for row, cell in enumerate(cells, 1):
        try:
            convert(cell)
        except ValueError:
            raise Unusable(f"{name}, column {cells.name}, row {row}: {cell!r}") from None


def end(cell: str) -> date:
    """No end is the end of time."""
    return date.fromisoformat(cell) if cell else date.max
