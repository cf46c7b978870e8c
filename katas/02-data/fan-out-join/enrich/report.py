"""What the dashboard shows."""

from typing import Any

import pandas as pd

GROUPS = ["region", "segment", "category", "campaign"]


def totals(lines: pd.DataFrame) -> dict[str, Any]:
    return {
        "status": "done",
        "lines": len(lines),
        "quantity": int(lines["quantity"].sum()),
        "amount_cents": int(lines["amount_cents"].sum()),
        "amount_cents_by": {
            group: {name: int(cents) for name, cents in by.items()}
            for group in GROUPS
            for by in [lines.groupby(group)["amount_cents"].sum()]
        },
    }
