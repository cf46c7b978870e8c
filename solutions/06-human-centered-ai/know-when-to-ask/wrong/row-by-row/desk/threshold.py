"""The lowest confidence whose error rate is proven, for one site."""

import numpy as np

from desk import bounds

LOOKS = 12


def lowest(
    confidence: np.ndarray, wrong: np.ndarray, risk: float
) -> tuple[float, float] | None:
    """From the surest letter down, at twelve rows of the sorted table."""
    miss = bounds.MISS / LOOKS
    order = np.argsort(-confidence, kind="stable")
    errors = np.cumsum(wrong[order])
    for row in np.linspace(len(order) / LOOKS, len(order), LOOKS).astype(int)[::-1]:
        bound = bounds.upper(int(errors[row - 1]), int(row), miss)
        if bound <= risk:
            return float(confidence[order[row - 1]]), bound
    return None
