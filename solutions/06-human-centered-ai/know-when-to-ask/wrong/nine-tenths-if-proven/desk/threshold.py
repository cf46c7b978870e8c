"""0.9, as agreed with the clinics, where it is proven; nothing elsewhere."""

import numpy as np

from desk import bounds

THRESHOLD = 0.9


def lowest(
    confidence: np.ndarray, wrong: np.ndarray, risk: float
) -> tuple[float, float] | None:
    auto = confidence >= THRESHOLD
    bound = bounds.upper(int(wrong[auto].sum()), int(auto.sum()))
    return (THRESHOLD, bound) if bound <= risk else None
