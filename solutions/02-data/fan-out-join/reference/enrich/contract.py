"""What was agreed with the owners of the tables: keys, how they compare, what is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from enrich.keys import as_number, as_text

COLUMNS = {
    "orders": [
        "order_id",
        "order_date",
        "store_id",
        "customer_id",
        "product_id",
        "promo_code",
        "quantity",
        "amount_cents",
    ],
    "stores": ["store_id", "region"],
    "customers": ["customer_id", "segment"],
    "products": ["product_id", "category"],
    "costs": ["product_id", "valid_from", "valid_to", "unit_cost_cents"],
    "promotions": ["promo_code", "campaign"],
}


@dataclass(frozen=True)
class Join:
    """Many order lines to at most one row of `table`, or to one row a day where it is dated."""

    table: str
    key: str
    takes: str
    compared: Callable[[str], str] = as_text
    dated: bool = False


JOINS = [
    Join("stores", "store_id", "region", compared=as_number),
    Join("customers", "customer_id", "segment"),
    Join("products", "product_id", "category"),
    Join("costs", "product_id", "unit_cost_cents", dated=True),
    Join("promotions", "promo_code", "campaign"),
]
