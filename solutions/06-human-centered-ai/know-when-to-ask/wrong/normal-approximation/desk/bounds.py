"""What a sample proves about an error rate."""

import math

MISS = 0.05


def upper(errors: int, letters: int, miss: float = MISS) -> float:
    """Mean and 1.645 standard errors, as in the handbook."""
    share = errors / letters
    return share + 1.645 * math.sqrt(share * (1 - share) / letters)
