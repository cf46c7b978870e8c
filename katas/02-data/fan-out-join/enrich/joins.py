"""Five lookups for each order line."""

import pandas as pd

COLUMNS = [
    "order_id",
    "order_date",
    "store_id",
    "customer_id",
    "product_id",
    "promo_code",
    "quantity",
    "amount_cents",
    "region",
    "segment",
    "category",
    "unit_cost_cents",
    "campaign",
]


def enrich(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    lines = tables["orders"]
    lines = lookup(lines, tables["stores"], "store_id")
    lines = lookup(lines, tables["customers"], "customer_id")
    lines = lookup(lines, tables["products"], "product_id")
    lines = with_cost(lines, tables["costs"])
    lines = lookup(lines, tables["promotions"], "promo_code")
    return lines[COLUMNS]


def lookup(lines: pd.DataFrame, table: pd.DataFrame, key: str) -> pd.DataFrame:
    lines, table = same_type(lines, table, key)
    return lines.merge(table, on=key, how="left")


def with_cost(lines: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """The purchase price of the period that the order's date falls into."""
    lines = lookup(lines, costs, "product_id")
    begun = lines["valid_from"] <= lines["order_date"]
    ended = lines["valid_to"].notna() & (lines["valid_to"] < lines["order_date"])
    lines = lines[begun & ~ended].drop(columns=["valid_from", "valid_to"])
    return lines.astype({"unit_cost_cents": "Int64"})


def same_type(
    lines: pd.DataFrame, table: pd.DataFrame, key: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """pandas will not merge numbers with text."""
    if any(pd.api.types.is_string_dtype(frame[key]) for frame in (lines, table)):
        lines, table = lines.astype({key: str}), table.astype({key: str})
    return lines, table
