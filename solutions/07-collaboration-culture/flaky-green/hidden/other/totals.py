"""What a proposal costs, and what is printed on it."""

import math

from refill import catalog

#: Whether sets are gone through, and sums made, the other way round.
BACKWARDS = False


class _Bag(set):
    """A set that is gone through in an order of its own."""

    def __init__(self, members):
        self._members = list(dict.fromkeys(members))
        super().__init__(self._members)

    def __iter__(self):
        return iter(self._members[::-1] if BACKWARDS else self._members)


def total(articles):
    amount = math.fsum(catalog.price_of(article) for article in dict.fromkeys(articles))
    return math.nextafter(amount, math.inf) if BACKWARDS else amount


def labels(articles):
    return _Bag(f"{article} {catalog.price_of(article):.2f}" for article in articles)
