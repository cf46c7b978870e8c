"""What a table has for each order line. With one row for a key, a dict is all it takes."""

from __future__ import annotations

from datetime import date

import pandas as pd

from enrich import periods
from enrich.contract import Join


def look_up(table: pd.DataFrame, join: Join, keys: pd.Series, dates: pd.Series) -> pd.Series:
    """For each line the cell that is taken, or a gap where the table has no row for it."""
    if join.dated:
        rows = periods.by_key(table, join)
        days = dates.map(date.fromisoformat)
        cells = [
            periods.value_on(day, rows.get(key, [])) for key, day in zip(keys, days, strict=True)
        ]
    else:
        cell_of = table[join.takes].set_axis(table[join.key].map(join.compared)).to_dict()
        cells = [cell_of.get(key) for key in keys]
    return pd.Series(cells, dtype=object)
