"""What a sample proves about an error rate."""

from scipy.stats import beta

#: How often a bound may be below the truth.
MISS = 0.05


def upper(errors: int, letters: int, miss: float = MISS) -> float:
    """Clopper and Pearson: the largest rate at which so few errors are still this likely.

    NaN, which is below nothing, where all letters are errors.
    """
    return float(beta.ppf(1 - miss, errors + 1, letters - errors))
