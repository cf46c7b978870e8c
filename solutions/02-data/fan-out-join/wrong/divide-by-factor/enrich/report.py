"""What the dashboard shows."""

from typing import Any

import pandas as pd

GROUPS = ["region", "segment", "category", "campaign"]


def totals(lines: pd.DataFrame, real: int) -> dict[str, Any]:
    factor = max(1, len(lines)) / max(1, real)
    lines = lines.assign(
        quantity=lines["quantity"] / factor, amount_cents=lines["amount_cents"] / factor
    )
    return {
        "status": "done",
        "lines": real,
        "quantity": int(lines["quantity"].sum()),
        "amount_cents": int(lines["amount_cents"].sum()),
        "amount_cents_by": {
            group: {name: int(cents) for name, cents in by.items()}
            for group in GROUPS
            for by in [lines.groupby(group)["amount_cents"].sum()]
        },
    }
