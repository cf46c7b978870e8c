"""The lowest confidence whose error rate is proven, for one site."""

import numpy as np

from desk import bounds

LOOKS = 12
DEFAULT_THRESHOLD = 0.9


def lowest(
    confidence: np.ndarray, wrong: np.ndarray, risk: float
) -> tuple[float, float] | None:
    """A threshold and its bound; where nothing is proven, the one that we always had."""
    negative, which = np.unique(-confidence, return_inverse=True)
    letters = np.cumsum(np.bincount(which))
    errors = np.cumsum(np.bincount(which, weights=wrong)).round().astype(int)
    miss = bounds.MISS / LOOKS
    wanted = np.linspace(len(confidence) / LOOKS, len(confidence), LOOKS)
    looks = set(np.searchsorted(letters, wanted).tolist())
    for look in sorted(looks, reverse=True):
        bound = bounds.upper(int(errors[look]), int(letters[look]), miss)
        if bound <= risk:
            return float(-negative[look]), bound
    return DEFAULT_THRESHOLD, risk
