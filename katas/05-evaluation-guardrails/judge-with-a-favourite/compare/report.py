"""From single outcomes to the figures that the release meeting reads."""

from __future__ import annotations

import math
from typing import Any

from compare.items import Item


def summarise(items: list[Item], outcomes: list[str]) -> dict[str, Any]:
    wins = outcomes.count("candidate")
    losses = outcomes.count("baseline")
    count = len(outcomes)
    rate = wins / count
    low, high = interval(rate, count)
    return {
        "items": len(items),
        "scored": count,
        "wins": wins,
        "losses": losses,
        "ties": 0,
        "win_rate": rate,
        "interval": [low, high],
        "decision": decide(low, high),
    }


def interval(rate: float, count: int) -> tuple[float, float]:
    """95 %, normal approximation."""
    half = 1.96 * math.sqrt(rate * (1 - rate) / count)
    return max(0.0, rate - half), min(1.0, rate + half)


def decide(low: float, high: float) -> str:
    if low > 0.5:
        return "candidate"
    if high < 0.5:
        return "baseline"
    return "no_difference"
