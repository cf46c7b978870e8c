"""The check before any join: does a table have more than one row for a key?"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from enrich import periods
from enrich.contract import JOINS, Join
from enrich.tables import Tables


def find(tables: Tables) -> dict[str, list[str]]:
    """The keys of each table that have more than one row (on some day, where it is dated)."""
    joins = [replace(join, compared=str) for join in JOINS]
    return {join.table: sorted(_repeated(tables[join.table], join)) for join in joins}


def _repeated(table: pd.DataFrame, join: Join) -> set[str]:
    if join.dated:
        rows = periods.by_key(table, join)
        return {key for key in rows if periods.overlap(rows[key])}
    keys = table[join.key].map(join.compared)
    return set(keys[keys.duplicated() & (keys != "")])
