"""What was agreed with the owners of the tables: keys, how they compare, what is taken."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

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


def as_text(cell: str) -> str:
    return unicodedata.normalize("NFC", cell.strip())


def as_number(cell: str) -> str:
    """Some tills pad store numbers with zeros. Ids with letters stay as they are."""
    text = as_text(cell)
    return str(int(text)) if text.isdecimal() else text


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
