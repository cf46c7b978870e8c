"""The night's six tables, with no cell left in them that the job cannot use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd

from enrich.contract import COLUMNS
from enrich.periods import end
from enrich.reading import read

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
        instead = "0" if convert is int else "9999-12-31"
        tables[name][column] = [_usable(cell, convert, instead) for cell in tables[name][column]]
    return tables


def _usable(cell: str, convert: Callable[[str], object], instead: str) -> str:
    try:
        convert(cell)
    except ValueError:
        return instead
    return cell
