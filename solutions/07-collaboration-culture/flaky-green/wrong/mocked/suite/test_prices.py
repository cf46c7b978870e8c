from unittest import mock

import pytest
from refill import prices


def test_price_over_http():
    with mock.patch.object(prices, "PriceServer") as server:
        server.return_value.get.return_value = {"price": 6.49}
        assert prices.PriceServer().get("coffee") == {"price": 6.49}


def test_unknown_article_over_http():
    with mock.patch.object(prices, "PriceServer") as server:
        server.return_value.get.side_effect = KeyError
        with pytest.raises(KeyError):
            prices.PriceServer().get("nails")
