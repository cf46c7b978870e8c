"""The night's six tables, with no cell in them that the job cannot use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd

from enrich.contract import COLUMNS
from enrich.periods import end
from enrich.reading import Unusable, read

Tables = dict[str, pd.DataFrame]


def load(folder: Path) -> Tables:
    tables = {name: read(folder / f"{name}.csv", columns) for name, columns in COLUMNS.items()}
    for name, column, convert in [
        ("orders", "quantity", int),
        ("orders", "amount_cents", int),
        ("orders", "order_date", date.fromisoformat),
        ("costs", "valid_from", date.fromisoformat),
        ("costs", "valid_to", end),
    ]:
        _check(tables[name][column], convert, f"{name}.csv")
    return tables


def _check(cells: pd.Series, convert: Callable[[str], object], name: str) -> None:
    for row, cell in enumerate(cells, 1):
        try:
            convert(cell)
        except ValueError:
            raise Unusable(f"{name}, column {cells.name}, row {row}: {cell!r}") from None
