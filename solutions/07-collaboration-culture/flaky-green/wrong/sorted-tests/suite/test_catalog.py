import pytest
from refill import catalog


def test_a_registered_article_has_its_price():
    catalog.clear()
    catalog.register("oats", 1.20)
    assert catalog.price_of("oats") == 1.20


def test_discount_is_rounded_to_cents():
    assert catalog.discounted("oats", 37) == 0.76


def test_unknown_article_has_no_price():
    with pytest.raises(KeyError):
        catalog.price_of("rice")


def test_registering_twice_is_refused():
    with pytest.raises(ValueError, match="oats"):
        catalog.register("oats", 0.60)
