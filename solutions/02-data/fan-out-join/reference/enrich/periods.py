"""Rows that hold for some days only: from their first day until the day before `valid_to`."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from datetime import date
from itertools import pairwise

import pandas as pd

from enrich.contract import Join

Period = tuple[date, date, str]  # first day, day after the last, value


def by_key(table: pd.DataFrame, join: Join) -> dict[str, list[Period]]:
    """Each key's periods, in order of their first days."""
    periods: dict[str, list[Period]] = defaultdict(list)
    columns = table[[join.key, "valid_from", "valid_to", join.takes]]
    for cell, first, last, value in columns.itertuples(index=False):
        if key := join.compared(cell):
            periods[key].append((date.fromisoformat(first), end(last), value))
    return {key: sorted(rows) for key, rows in periods.items()}


def end(cell: str) -> date:
    """No end is the end of time."""
    return date.fromisoformat(cell) if cell else date.max


def overlap(periods: list[Period]) -> bool:
    """In order, each period has to end before the next one begins."""
    return any(next_from < to for (_, to, _), (next_from, _, _) in pairwise(periods))


def value_on(day: date, periods: list[Period]) -> str | None:
    place = bisect_right(periods, day, key=lambda period: period[0])
    if not place:
        return None
    _, to, value = periods[place - 1]
    return value if day < to else None
