"""What a proposal costs, and what is printed on it."""

from collections.abc import Iterable

from refill import catalog


def total(articles: Iterable[str]) -> float:
    """The price of one of each; an article that is named twice counts once."""
    amount = 0.0
    for article in set(articles):
        amount += catalog.price_of(article)
    return amount


def labels(articles: Iterable[str]) -> set[str]:
    """One label for each article, such as "oats 1.20"."""
    return {f"{article} {catalog.price_of(article):.2f}" for article in articles}
