import json
import urllib.error
import urllib.request

import pytest
from refill import catalog
from refill.prices import PriceServer


def get(port, article):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/price/{article}", timeout=5) as reply:
        return json.load(reply)


def test_price_over_http():
    catalog.clear()
    catalog.register("coffee", 6.49)
    with PriceServer(port=8907) as server:
        assert get(server.port, "coffee") == {"price": 6.49}


def test_unknown_article_over_http():
    with PriceServer() as server, pytest.raises(urllib.error.HTTPError) as caught:
        get(server.port, "nails")
    assert caught.value.code == 404
