"""Made-up households, for tests and demonstrations."""

import numpy as np

_TASTE = np.array([1.9, -1.2, 0.9, 0.7, 0.0])


def households(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Five features of each of `n` households, and whether it bought again (0 or 1)."""
    rows = rng.normal(size=(n, len(_TASTE)))
    chance = 1 / (1 + np.exp(0.4 - rows @ _TASTE))
    return rows, (rng.random(n) < chance).astype(int)
