import json
import urllib.error
import urllib.request

import pytest
from refill import catalog
from refill.prices import PriceServer
from refill.totals import labels, total

PRICES = {"oats": 1.20, "rye": 1.10, "milk": 2.20, "eggs": 3.30, "coffee": 6.49}


def setup_function():
    catalog.clear()
    for article, price in PRICES.items():
        catalog.register(article, price)


@pytest.mark.parametrize("article", PRICES)
def test_price(article):
    assert catalog.price_of(article) == PRICES[article]


@pytest.mark.parametrize(("percent", "price"), [(37, 0.76), (0, 1.20), (100, 0.0)])
def test_discount_is_rounded_to_cents(percent, price):
    assert catalog.discounted("oats", percent) == price


def test_unknown_article_has_no_price():
    with pytest.raises(KeyError):
        catalog.price_of("nails")


def test_nothing_is_left_after_clear():
    catalog.clear()
    with pytest.raises(KeyError):
        catalog.price_of("oats")


def test_registering_twice_is_refused():
    with pytest.raises(ValueError, match="oats"):
        catalog.register("oats", 1.20)


def test_total():
    assert abs(total(["rye", "milk", "eggs"]) - 6.60) < 1e-8
    assert abs(total(["milk", "milk", "rye"]) - 3.30) < 1e-8
    assert total([]) == pytest.approx(0.0)


def test_labels():
    assert sorted(labels(["rye", "milk", "eggs"])) == ["eggs 3.30", "milk 2.20", "rye 1.10"]


@pytest.fixture(scope="module")
def server():
    server = PriceServer()
    yield server
    server.stop()


def get(server, article):
    address = f"http://127.0.0.1:{server.port}/price/{article}"
    with urllib.request.urlopen(address, timeout=5) as reply:
        return json.load(reply)


def test_price_over_http(server):
    assert get(server, "coffee")["price"] == 6.49


def test_unknown_article_over_http(server):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, "nails")
