import pytest
from refill import catalog
from refill.totals import labels, total


@pytest.fixture(autouse=True)
def shop(nothing_on_sale):
    for article, price in {"rye": 1.10, "milk": 2.20, "eggs": 3.30}.items():
        catalog.register(article, price)


def test_total_adds_up():
    assert total(["rye", "milk", "eggs"]) == pytest.approx(6.60)


def test_an_article_counts_once():
    assert total(["milk", "milk", "rye"]) == pytest.approx(3.30)


def test_labels():
    assert labels(["rye", "milk", "eggs"]) == {"rye 1.10", "milk 2.20", "eggs 3.30"}
