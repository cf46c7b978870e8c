import json
import urllib.error
import urllib.request

import pytest
from refill import catalog
from refill.prices import PriceServer


@pytest.fixture
def server():
    with PriceServer() as server:
        yield server


def get(server, article):
    address = f"http://127.0.0.1:{server.port}/price/{article}"
    with urllib.request.urlopen(address, timeout=5) as reply:
        return json.load(reply)


def test_price_over_http(server):
    catalog.clear()
    catalog.register("coffee", 6.49)
    assert get(server, "coffee") == {"price": 6.49}


def test_unknown_article_over_http(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(server, "nails")
    assert caught.value.code == 404
