"""How sure the win rate is."""

from __future__ import annotations

import math
from collections.abc import Sequence


def estimate(scores: Sequence[float]) -> tuple[float | None, list[float] | None]:
    """Mean and 95 % interval. Each item has two calls, so there are twice as many verdicts."""
    count = len(scores)
    if not count:
        return None, None
    mean = sum(scores) / count
    variance = sum((score - mean) ** 2 for score in scores) / max(count - 1, 1)
    half = 1.96 * math.sqrt(variance / (2 * count))
    return mean, [max(0.0, mean - half), min(1.0, mean + half)]
