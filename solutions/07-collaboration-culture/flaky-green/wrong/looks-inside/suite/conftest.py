import pytest
from refill import catalog


@pytest.fixture(autouse=True)
def nothing_on_sale():
    """Every test begins with an empty catalogue, and leaves one."""
    catalog._prices.clear()
    yield
    catalog._prices.clear()
