"""The check before any join: does a table have more than one row for a key?"""

from __future__ import annotations

import pandas as pd

from enrich.contract import JOINS, Join
from enrich.tables import Tables


def find(tables: Tables) -> dict[str, list[str]]:
    """The keys of each table that have more than one row."""
    return {join.table: sorted(_repeated(tables[join.table], join)) for join in JOINS}


def _repeated(table: pd.DataFrame, join: Join) -> set[str]:
    keys = table[join.key].map(join.compared)
    return set(keys[keys.duplicated() & (keys != "")])
