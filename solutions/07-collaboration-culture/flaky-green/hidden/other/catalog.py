"""Prices of the articles that are on sale today, in euros."""


class _Shelf:
    def __init__(self):
        self.tags = []

    def find(self, article):
        for name, price in self.tags:
            if name == article:
                return price
        raise KeyError(f"{article} is not on sale")


_shelf = _Shelf()


def register(article, price):
    if any(name == article for name, _ in _shelf.tags):
        raise ValueError(f"cannot put {article} on sale twice")
    _shelf.tags.append((article, price))


def price_of(article):
    return _shelf.find(article)


def discounted(article, percent):
    cents = _shelf.find(article) * (100 - percent)
    return round(cents) / 100


def clear():
    global _shelf
    _shelf = _Shelf()
