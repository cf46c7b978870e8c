"""Reading the night's export."""

from pathlib import Path

import pandas as pd

NAMES = ["orders", "stores", "customers", "products", "costs", "promotions"]

# Whole numbers, though guests have none: without this they would come out as 104233.0.
TYPES = {"customer_id": "Int64"}


def load(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(folder / f"{name}.csv", dtype=TYPES) for name in NAMES}
