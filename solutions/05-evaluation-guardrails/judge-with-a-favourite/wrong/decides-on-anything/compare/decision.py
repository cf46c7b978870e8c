"""What the figures are good for."""

from __future__ import annotations

from collections.abc import Sequence


def decide(interval: Sequence[float] | None, scored: int, items: int) -> str:
    if interval is None:
        return "inconclusive"
    low, high = interval
    if low > 0.5:
        return "candidate"
    if high < 0.5:
        return "baseline"
    return "no_difference"
