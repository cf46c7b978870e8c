"""Confidences are calibrated first; then a letter may be wrong with a probability of `risk`."""

import numpy as np
from sklearn.isotonic import IsotonicRegression


def lowest(
    confidence: np.ndarray, wrong: np.ndarray, risk: float
) -> tuple[float, float] | None:
    calibrated = IsotonicRegression(y_min=0, y_max=1, increasing=False).fit(confidence, wrong)
    thresholds = np.unique(confidence)
    proven = thresholds[calibrated.predict(thresholds) <= risk]
    if not len(proven):
        return None
    least = float(proven.min())
    return least, min(risk, max(float(wrong[confidence >= least].mean()), risk / 2))
