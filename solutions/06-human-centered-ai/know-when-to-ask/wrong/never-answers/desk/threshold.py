"""A letter is a patient. All of them are read by people."""

import numpy as np


def lowest(
    confidence: np.ndarray, wrong: np.ndarray, risk: float
) -> tuple[float, float] | None:
    return None
