"""Prices of the articles that are on sale today, in euros."""

_prices: dict[str, float] = {}


def register(article: str, price: float) -> None:
    """Puts an article on sale. Raises `ValueError` for one that is on sale already."""
    if article in _prices:
        raise ValueError(f"{article} is registered already")
    _prices[article] = price


def price_of(article: str) -> float:
    """Raises `KeyError` for an article that is not on sale."""
    return _prices[article]


def discounted(article: str, percent: float) -> float:
    """The price after a discount, rounded to cents."""
    return round(price_of(article) * (100 - percent) / 100, 2)


def clear() -> None:
    """Takes everything off sale."""
    _prices.clear()
