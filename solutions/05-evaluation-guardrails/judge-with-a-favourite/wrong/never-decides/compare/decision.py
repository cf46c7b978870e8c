"""What the figures are good for."""

from __future__ import annotations

from collections.abc import Sequence

ENOUGH_ITEMS = 100
ENOUGH_SHARE = 1.0


def decide(interval: Sequence[float] | None, scored: int, items: int) -> str:
    if interval is None or scored < ENOUGH_ITEMS or scored < ENOUGH_SHARE * items:
        return "inconclusive"
    low, high = interval
    if low > 0.5:
        return "candidate"
    if high < 0.5:
        return "baseline"
    return "no_difference"
