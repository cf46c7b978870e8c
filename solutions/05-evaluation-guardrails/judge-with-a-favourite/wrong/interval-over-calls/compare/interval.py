"""How sure the win rate is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def estimate(scores: Sequence[float]) -> tuple[float | None, list[float] | None]:
    """Mean and 95 % interval. Each item has two calls, so there are twice as many verdicts."""
    count = len(scores)
    if not count:
        return None, None
    mean = statistics.fmean(scores)
    half = 1.96 * statistics.pstdev(scores) / math.sqrt(2 * count)
    return mean, [max(0.0, mean - half), min(1.0, mean + half)]
