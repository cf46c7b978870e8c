"""Does the judge like long answers?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from compare.items import Item

ENOUGH_ITEMS = 20
SUSPICIOUS_SHARE = 0.7


def length_check(winners: Iterable[tuple[Item, str]]) -> dict[str, Any]:
    """How often the longer answer won, where there was a winner and a longer answer."""
    decided = longer_won = 0
    for item, winner in winners:
        more = len(item.candidate) - len(item.baseline)
        if winner != "tie" and more != 0:
            decided += 1
            longer_won += more > 0
    suspicious = decided >= ENOUGH_ITEMS and longer_won >= SUSPICIOUS_SHARE * decided
    return {"decided": decided, "longer_won": longer_won, "suspicious": suspicious}
