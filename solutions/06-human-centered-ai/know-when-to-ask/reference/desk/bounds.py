"""What a sample proves about an error rate."""

import math

from scipy.stats import beta

#: How often a bound may be below the truth.
MISS = 0.05


def upper(errors: int, letters: int, miss: float = MISS) -> float:
    """Clopper and Pearson: the largest rate at which so few errors are still this likely."""
    return 1.0 if errors >= letters else float(beta.ppf(1 - miss, errors + 1, letters - errors))


def fewest(risk: float, miss: float = MISS) -> int:
    """So many letters without any error are needed before the bound is down to `risk`."""
    return math.ceil(math.log(miss) / math.log(1 - risk))
