"""The lowest confidence whose error rate is proven, for one site."""

import numpy as np

from desk import bounds

#: How many thresholds are tried. Each look can be lucky, so each gets its share of MISS.
LOOKS = 12


def lowest(confidence: np.ndarray, wrong: np.ndarray, risk: float) -> tuple[float, float] | None:
    """A threshold and the bound on the error rate of what it books; None if nothing is proven."""
    thresholds, letters, errors = steps(confidence, wrong)
    miss = bounds.MISS / LOOKS
    wanted = np.linspace(len(confidence) / LOOKS, len(confidence), LOOKS)
    looks = set(np.searchsorted(letters, wanted).tolist())
    for look in sorted(looks, reverse=True):
        bound = bounds.upper(int(errors[look]), int(letters[look]), miss)
        if bound <= risk:
            return float(thresholds[look]), bound
    return None


def steps(confidence: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every confidence that occurs, the highest first; letters and errors from there on up.

    Letters of equal confidence stand or fall together.
    """
    negative, which = np.unique(-confidence, return_inverse=True)
    letters = np.cumsum(np.bincount(which))
    errors = np.cumsum(np.bincount(which, weights=wrong)).round().astype(int)
    return -negative, letters, errors
