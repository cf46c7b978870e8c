"""The five joins. None of them can change how many lines there are."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from enrich.contract import COLUMNS, JOINS
from enrich.found import Found
from enrich.lookups import look_up
from enrich.tables import Tables


def enrich(tables: Tables) -> tuple[pd.DataFrame, dict[str, Found]]:
    """Order lines with what the tables know. Call it once no table has duplicates."""
    lines = tables["orders"][COLUMNS["orders"]]
    found = {}
    for join in JOINS:
        keys = lines[join.key].map(join.compared)
        table = tables[join.table]
        for column in table.columns.difference(COLUMNS["orders"]):
            cells = look_up(table, replace(join, takes=column), keys, lines["order_date"])
            lines = lines.assign(**{column: cells.fillna("")})
        found[join.table] = Found(keys, cells.notna())
    return lines[[*COLUMNS["orders"], *(join.takes for join in JOINS)]], found
