"""The nightly job: ``python -m enrich --in DIR --out F --report R``."""

import argparse
import csv
import json
import sys
import unicodedata
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

ORDERS = [
    "order_id",
    "order_date",
    "store_id",
    "customer_id",
    "product_id",
    "promo_code",
    "quantity",
    "amount_cents",
]
TABLES = {
    "stores": ["store_id", "region"],
    "customers": ["customer_id", "segment"],
    "products": ["product_id", "category"],
    "costs": ["product_id", "unit_cost_cents", "valid_from", "valid_to"],
    "promotions": ["promo_code", "campaign"],
}
GROUPS = ["region", "segment", "category", "campaign"]


class Unusable(Exception):
    pass


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m enrich", description=__doc__)
    parser.add_argument("--in", dest="source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args(argv)

    try:
        orders = read(options.source, "orders", ORDERS)
        tables = {name: read(options.source, name, columns) for name, columns in TABLES.items()}
        check(orders, "orders", {"quantity": int, "amount_cents": int, "order_date": day})
        check(tables["costs"], "costs", {"valid_from": day, "valid_to": day_or_never})
    except Unusable as reason:
        print(reason, file=sys.stderr)
        return 2

    indexes = {name: index(rows, name) for name, rows in tables.items()}
    used = {name: {key_of(name, line[TABLES[name][0]]) for line in orders} for name in TABLES}
    duplicates = {
        name: sorted(k for k, rows in by.items() if k in used[name] and collide(rows))
        for name, by in indexes.items()
    }
    if any(duplicates.values()):
        print(f"several rows for one key: {duplicates}", file=sys.stderr)
        write(options.report, json.dumps({"status": "refused", "duplicates": duplicates}))
        return 3

    joins = {}
    out = [dict(line) for line in orders]
    for name, (key, value, *_) in TABLES.items():
        keys = [key_of(name, line[key]) for line in orders]
        rows = [valid(indexes[name].get(k, []), line) for k, line in zip(keys, orders)]
        for line, row in zip(out, rows):
            line[value] = row[value] if row else ""
        lost = [k for k, row in zip(keys, rows) if k and row is None]
        joins[name] = {
            "matched": sum(row is not None for row in rows),
            "no_key": keys.count(""),
            "unmatched": len(lost),
            "unmatched_keys": sorted(set(lost)),
        }
    by = {}
    for group in GROUPS:
        sums = Counter()
        for line in out:
            sums[line[group] or "(none)"] += int(line["amount_cents"])
        by[group] = dict(sums)
    report = {
        "status": "done",
        "lines": len(out),
        "quantity": sum(int(line["quantity"]) for line in out),
        "amount_cents": sum(int(line["amount_cents"]) for line in out),
        "joins": joins,
        "amount_cents_by": by,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*ORDERS, *(columns[1] for columns in TABLES.values())])
        writer.writeheader()
        writer.writerows(out)
    write(options.report, json.dumps(report, indent=2))
    return 0


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def read(folder, name, columns):
    path = folder / f"{name}.csv"
    if not path.is_file():
        raise Unusable(f"{path} does not exist")
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for column in columns:
            if column not in (reader.fieldnames or []):
                raise Unusable(f"{path} has no column {column}")
        return [{column: row[column] for column in columns} for row in reader]


def check(rows, name, kinds):
    for number, row in enumerate(rows, 2):
        for column, convert in kinds.items():
            try:
                convert(row[column])
            except ValueError:
                raise Unusable(f"{name}.csv, line {number}: {column} is {row[column]!r}") from None


def day(cell):
    return date.fromisoformat(cell)


def day_or_never(cell):
    return day(cell) if cell else date.max


def key_of(name, cell):
    key = unicodedata.normalize("NFC", cell.strip())
    if name == "stores" and key.isdecimal():
        key = key.lstrip("0") or "0"
    return key


def index(rows, name):
    by = defaultdict(list)
    for row in rows:
        key = key_of(name, row[TABLES[name][0]])
        if key:
            by[key].append(row)
    return dict(by)


def collide(rows):
    """Do two of these rows claim the same key (on the same day)?"""
    if "valid_from" not in rows[0]:
        return len(rows) > 1
    spans = sorted((day(row["valid_from"]), day_or_never(row["valid_to"])) for row in rows)
    return any(after < until for (_, until), (after, _) in zip(spans, spans[1:]))


def valid(rows, line):
    today = day(line["order_date"])
    for row in rows:
        if "valid_from" not in row:
            return row
        if day(row["valid_from"]) <= today < day_or_never(row["valid_to"]):
            return row
    return None


if __name__ == "__main__":
    sys.exit(main())
