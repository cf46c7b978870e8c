"""Merges on columns that are only there to be compared; validate is the second pair of eyes."""

import pandas as pd

from enrich.reading import COLUMNS

PLAIN = {
    "stores": ("store_id", "region"),
    "customers": ("customer_id", "segment"),
    "products": ("product_id", "category"),
    "promotions": ("promo_code", "campaign"),
}
ORDER = ["stores", "customers", "products", "costs", "promotions"]


def compared(frame, column):
    key = frame[column].astype(str).str.strip().str.normalize("NFC")
    if column == "store_id":
        key = key.where(~key.str.fullmatch(r"\d+"), key.str.replace(r"^0+(?=\d)", "", regex=True))
    return key


def keyed(frame, column):
    """Only the rows that have a key."""
    frame = frame.assign(_key=compared(frame, column))
    return frame[frame["_key"] != ""]


def find_duplicates(tables):
    found = {}
    for name, (column, _) in PLAIN.items():
        keys = keyed(tables[name], column)["_key"]
        found[name] = sorted(keys[keys.duplicated()].unique())
    costs = keyed(tables["costs"], "product_id").sort_values(["_key", "_from", "_to"])
    follows = costs.groupby("_key")["_from"].shift(-1)
    found["costs"] = sorted(costs.loc[follows < costs["_to"], "_key"].unique())
    return {name: [str(key) for key in keys] for name, keys in found.items() if len(keys)}


def enrich(tables):
    lines = tables["orders"].assign(_place=range(len(tables["orders"])))
    counts = {}
    for name in ORDER:
        if name == "costs":
            merged = with_cost(lines, tables["costs"])
        else:
            column, value = PLAIN[name]
            lines["_key"] = compared(lines, column)
            table = keyed(tables[name], column)[["_key", value]]
            merged = lines.merge(table, on="_key", how="left", validate="many_to_one", indicator="_found")
        there, empty = merged["_found"] == "both", merged["_key"] == ""
        lost = merged["_key"][~there & ~empty]
        counts[name] = {
            "matched": int(there.sum()),
            "no_key": int(empty.sum()),
            "unmatched": len(lost),
            "unmatched_keys": sorted(str(key) for key in lost.unique()),
        }
        lines = merged.drop(columns=["_key", "_found"])
    values = ["region", "segment", "category", "unit_cost_cents", "campaign"]
    return lines[[*COLUMNS["orders"], *values]].fillna(""), counts


def with_cost(lines, costs):
    costs = keyed(costs, "product_id").sort_values("_from")
    lines = lines.assign(_key=compared(lines, "product_id"))
    dated = pd.merge_asof(
        lines.sort_values("_day"),
        costs[["_key", "_from", "_to", "unit_cost_cents"]],
        left_on="_day",
        right_on="_from",
        by="_key",
    ).sort_values("_place", ignore_index=True)
    valid = dated["_from"].notna() & (dated["_day"] < dated["_to"])
    dated["unit_cost_cents"] = dated["unit_cost_cents"].where(valid, "")
    dated["_found"] = valid.map({True: "both", False: "left_only"})
    return dated.drop(columns=["_from", "_to"])
