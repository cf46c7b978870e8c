"""The lowest confidence from which on no more than the target was wrong, for one site."""

import numpy as np


def lowest(confidence: np.ndarray, wrong: np.ndarray, risk: float) -> tuple[float, float] | None:
    negative, which = np.unique(-confidence, return_inverse=True)
    letters = np.cumsum(np.bincount(which))
    errors = np.cumsum(np.bincount(which, weights=wrong)).round().astype(int)
    passing = np.flatnonzero(errors <= risk * letters)
    if not len(passing):
        return None
    last = passing[-1]
    return float(-negative[last]), float(errors[last] / letters[last])
