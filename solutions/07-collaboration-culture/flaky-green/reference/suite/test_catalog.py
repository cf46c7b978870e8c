import pytest
from refill import catalog


@pytest.fixture
def oats():
    catalog.register("oats", 1.20)


def test_registered_article_has_its_price(oats):
    assert catalog.price_of("oats") == 1.20


def test_discount_is_rounded_to_cents(oats):
    assert catalog.discounted("oats", 37) == 0.76


def test_unknown_article_has_no_price(oats):
    with pytest.raises(KeyError):
        catalog.price_of("rye")


def test_registering_twice_is_refused(oats):
    with pytest.raises(ValueError, match="oats"):
        catalog.register("oats", 0.60)
