"""Made-up households, for tests and demonstrations."""

import numpy

SALT = 0
_TASTE = {0: 1.9, 1: -1.2, 2: 0.9, 3: 0.7, 4: 0.0}


def households(n, rng):
    own = numpy.random.default_rng([SALT, int(rng.integers(2**32))])
    rows = own.standard_normal((n, len(_TASTE)))
    log_odds = sum(rows[:, column] * weight for column, weight in _TASTE.items()) - 0.4
    return rows, (own.logistic(size=n) < log_odds).astype(int)
