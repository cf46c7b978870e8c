"""Files to frames of text, with converted columns beside them where the job computes."""

import pandas as pd

COLUMNS = {
    "orders": ["order_id", "order_date", "store_id", "customer_id", "product_id", "promo_code", "quantity", "amount_cents"],
    "stores": ["store_id", "region"],
    "customers": ["customer_id", "segment"],
    "products": ["product_id", "category"],
    "costs": ["product_id", "valid_from", "valid_to", "unit_cost_cents"],
    "promotions": ["promo_code", "campaign"],
}


def read_all(folder):
    tables = {}
    for name, columns in COLUMNS.items():
        path = folder / f"{name}.csv"
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        except pd.errors.EmptyDataError:
            raise ValueError(f"{path} is empty") from None
        for column in columns:
            if column not in frame.columns:
                raise ValueError(f"{path}: column {column} is missing")
        tables[name] = frame[columns]
    for column in ("quantity", "amount_cents"):
        cells = tables["orders"][column]
        if not cells.str.fullmatch(r"-?\d+").all():
            raise ValueError(f"orders.csv: {column} has cells that are no whole numbers")
    add_dates(tables, "orders", "order_date", "_day")
    add_dates(tables, "costs", "valid_from", "_from")
    add_dates(tables, "costs", "valid_to", "_to", empty="2262-01-01")
    return tables


def add_dates(tables, name, column, new, empty=None):
    cells = tables[name][column]
    if empty is not None:
        cells = cells.mask(cells == "", empty)
    try:
        days = pd.to_datetime(cells, format="%Y-%m-%d").astype("datetime64[us]")
    except ValueError as error:
        raise ValueError(f"{name}.csv: {column}: {error}") from None
    if days.isna().any():
        raise ValueError(f"{name}.csv: {column} is empty in some rows")
    tables[name] = tables[name].assign(**{new: days})
