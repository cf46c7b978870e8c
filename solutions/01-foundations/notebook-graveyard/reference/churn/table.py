"""Reading customers: which columns count, what an empty cell is, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

ID = "customer_id"
LABEL = "churned"
CATEGORICAL = ["plan", "region", "contract", "payment_method"]
NUMERIC = ["tenure_months", "monthly_fee", "data_gb", "support_calls", "days_since_login"]


class Refused(Exception):
    """The input cannot be used; the text is for whoever started the command."""


def read(path: Path, *, labelled: bool = False) -> pd.DataFrame:
    """The columns that count, in a fixed order: ids and categories as text, the rest as floats."""
    wanted = [ID, *CATEGORICAL, *NUMERIC, *([LABEL] if labelled else [])]
    try:
        # As text first: pandas would turn id 0004711 into 4711 and guess at every other cell.
        raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        raw = pd.DataFrame()
    missing = [column for column in wanted if column not in raw.columns]
    if missing:
        raise Refused(f"{path}: missing column {', '.join(missing)}")
    customers = raw[wanted].copy()
    for column in wanted[1 + len(CATEGORICAL) :]:
        customers[column] = _numbers(customers[column], path)
    return customers


def _numbers(cells: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    wrong = (cells != "") & ~np.isfinite(numbers)
    if wrong.any():
        first = wrong.idxmax()
        raise Refused(
            f"{path}: column {cells.name}, row {first + 1}: {cells[first]!r} is not a number"
        )
    return numbers
