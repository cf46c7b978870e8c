"""0.9, as agreed with the clinics."""

import numpy as np

THRESHOLD = 0.9


def lowest(
    confidence: np.ndarray, wrong: np.ndarray, risk: float
) -> tuple[float, float] | None:
    auto = confidence >= THRESHOLD
    if not auto.any():
        return None
    return THRESHOLD, max(risk / 2, float(wrong[auto].mean()))
