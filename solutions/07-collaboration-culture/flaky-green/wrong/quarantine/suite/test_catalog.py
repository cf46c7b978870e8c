import pytest
from refill import catalog


def test_registered_article_has_its_price():
    catalog.register("oats", 1.20)
    assert catalog.price_of("oats") == 1.20


@pytest.mark.skip(reason="flaky, see ticket")
def test_discount_is_rounded_to_cents():
    assert catalog.discounted("oats", 37) == 0.76


@pytest.mark.skip(reason="flaky, see ticket")
def test_unknown_article_has_no_price():
    with pytest.raises(KeyError):
        catalog.price_of("rye")


def test_registering_twice_is_refused():
    catalog.clear()
    catalog.register("salt", 0.50)
    with pytest.raises(ValueError, match="salt"):
        catalog.register("salt", 0.60)
