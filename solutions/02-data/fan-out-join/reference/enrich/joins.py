"""The five joins. None of them can change how many lines there are."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import pandas as pd

from enrich.contract import COLUMNS, JOINS, Join
from enrich.tables import end

Tables = dict[str, pd.DataFrame]
Period = tuple[date, date, str]


@dataclass(frozen=True)
class Found:
    """For each line its key in this join, and whether the table has a row for it."""

    keys: pd.Series
    matched: pd.Series

    def counts(self) -> dict[str, object]:
        without = self.keys == ""
        unmatched = ~self.matched & ~without
        return {
            "matched": int(self.matched.sum()),
            "no_key": int(without.sum()),
            "unmatched": int(unmatched.sum()),
            "unmatched_keys": sorted(set(self.keys[unmatched])),
        }


def duplicates(tables: Tables) -> dict[str, list[str]]:
    """The keys of each table that have more than one row (on some day, where it is dated)."""
    return {join.table: sorted(_repeated(tables[join.table], join)) for join in JOINS}


def _repeated(table: pd.DataFrame, join: Join) -> set[str]:
    keys = table[join.key].map(join.compared)
    if not join.dated:
        return set(keys[keys.duplicated() & (keys != "")])
    # In order of their first days, each period has to end before the next one begins.
    return {
        key
        for key, periods in _periods(table, join).items()
        if any(next_from < to for (_, to, _), (next_from, _, _) in pairwise(periods))
    }


def _periods(table: pd.DataFrame, join: Join) -> dict[str, list[Period]]:
    """Each key's periods (first day, day after the last, value), in order."""
    periods: dict[str, list[Period]] = defaultdict(list)
    columns = [table[c] for c in (join.key, "valid_from", "valid_to", join.takes)]
    for cell, first, last, value in zip(*columns, strict=True):
        if key := join.compared(cell):
            periods[key].append((date.fromisoformat(first), end(last), value))
    return {key: sorted(rows) for key, rows in periods.items()}


def enrich(tables: Tables) -> tuple[pd.DataFrame, dict[str, Found]]:
    """Order lines with the columns taken. Call it once `duplicates` has found none."""
    orders = tables["orders"]
    days = orders["order_date"].map(date.fromisoformat)
    taken, found = {}, {}
    for join in JOINS:
        keys, table = orders[join.key].map(join.compared), tables[join.table]
        if join.dated:
            periods = _periods(table, join)
            values = [_on(periods.get(k, []), d) for k, d in zip(keys, days, strict=True)]
        else:
            rows = dict(zip(table[join.key].map(join.compared), table[join.takes], strict=True))
            rows.pop("", None)
            values = [rows.get(key) for key in keys]
        cells = pd.Series(values, index=orders.index, dtype=object)
        taken[join.takes] = cells.fillna("")
        found[join.table] = Found(keys, cells.notna())
    return orders[COLUMNS["orders"]].assign(**taken), found


def _on(periods: list[Period], day: date) -> str | None:
    place = bisect_right(periods, day, key=lambda period: period[0])
    if not place:
        return None
    _, to, value = periods[place - 1]
    return value if day < to else None
