"""What the dashboard shows, and what whoever is on call needs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from enrich.found import Found

GROUPS = ["region", "segment", "category", "campaign"]


def of(lines: pd.DataFrame, found: dict[str, Found]) -> dict[str, Any]:
    quantity, amount = lines["quantity"].astype(int), lines["amount_cents"].astype(int)
    return {
        "status": "done",
        "lines": len(lines),
        "quantity": int(quantity.sum()),
        "amount_cents": int(amount.sum()),
        "joins": {table: join.counts() for table, join in found.items()},
        "amount_cents_by": {group: _by(lines[group], amount) for group in GROUPS},
    }


def _by(names: pd.Series, amount: pd.Series) -> dict[str, int]:
    # An empty text, not a gap: groupby would leave gaps out.
    sums = amount.groupby(names.replace("", "(none)")).sum()
    return {str(name): int(cents) for name, cents in sums.items()}
