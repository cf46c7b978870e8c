"""The nightly job: ``python -m enrich --in DIR --out F --report R``. The joins are SQL's."""

import argparse
import csv
import json
import os
import re
import sqlite3
import sys
import unicodedata
from pathlib import Path

TABLES = {
    "orders": "order_id order_date store_id customer_id product_id promo_code quantity amount_cents".split(),
    "stores": ["store_id", "region"],
    "customers": ["customer_id", "segment"],
    "products": ["product_id", "category"],
    "costs": ["product_id", "valid_from", "valid_to", "unit_cost_cents"],
    "promotions": ["promo_code", "campaign"],
}
LOOKUPS = [name for name in TABLES if name != "orders"]
KEYS = {name: TABLES[name][0] for name in LOOKUPS}
TAKES = {name: TABLES[name][-1] for name in LOOKUPS}
CHECKS = [
    ("orders", "quantity", r"[+-]?[0-9]+"),
    ("orders", "amount_cents", r"[+-]?[0-9]+"),
    ("orders", "order_date", r"\d{4}-\d\d-\d\d"),
    ("costs", "valid_from", r"\d{4}-\d\d-\d\d"),
    ("costs", "valid_to", r"(\d{4}-\d\d-\d\d)?"),
]
# NULL is equal to nothing in SQL, not even to NULL, so keyless rows join with nothing.
OVERLAPS = """
    SELECT DISTINCT a.k FROM costs a JOIN costs b ON a.k = b.k AND a.rowid < b.rowid
    WHERE a.valid_from < coalesce(nullif(b.valid_to, ''), '9999-99-99')
      AND b.valid_from < coalesce(nullif(a.valid_to, ''), '9999-99-99') ORDER BY 1
"""


class Unusable(Exception):
    """The text says what cannot be used."""


def key(cell, number):
    cell = unicodedata.normalize("NFC", cell.strip())
    if number and re.fullmatch("[0-9]+", cell):
        cell = str(int(cell))
    return cell or None


def load(base, folder):
    base.create_function("key", 2, key, deterministic=True)
    for name, columns in TABLES.items():
        path = folder / f"{name}.csv"
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                reader = csv.reader(stream)
                header = next(reader, [])
                rows = list(reader)
        except OSError as error:
            raise Unusable(error) from None
        missing = set(columns) - set(header)
        if missing:
            raise Unusable(f"{path}: no column {', '.join(sorted(missing))}")
        places = [header.index(column) for column in columns]
        base.execute(f"CREATE TABLE {name} ({', '.join(c + ' TEXT' for c in columns)})")
        marks = ", ".join("?" * len(columns))
        base.executemany(
            f"INSERT INTO {name} VALUES ({marks})", [[row[p] for p in places] for row in rows]
        )
    for table, column, pattern in CHECKS:
        for (cell,) in base.execute(f"SELECT {column} FROM {table}"):
            if not re.fullmatch(pattern, cell):
                raise Unusable(f"{table}.csv: column {column} has {cell!r}")
    for name, column in KEYS.items():
        number = int(name == "stores")
        base.execute(f"ALTER TABLE {name} ADD COLUMN k TEXT")
        base.execute(f"UPDATE {name} SET k = key({column}, {number})")
        base.execute(f"ALTER TABLE orders ADD COLUMN k_{name} TEXT")
        base.execute(f"UPDATE orders SET k_{name} = key({column}, {number})")


def column(base, query):
    return [value for (value,) in base.execute(query)]


def duplicates(base):
    found = {}
    for name in LOOKUPS:
        query = f"SELECT k FROM {name} WHERE k IS NOT NULL GROUP BY k HAVING count(*) > 1 ORDER BY k"
        found[name] = column(base, OVERLAPS if name == "costs" else query)
    return found


def enrich(base):
    taken, joins = "", ""
    for name in LOOKUPS:
        taken += f", coalesce({name}.{TAKES[name]}, '') AS {TAKES[name]}, {name}.rowid AS row_{name}"
        joins += f" LEFT JOIN {name} ON {name}.k = orders.k_{name}"
        if name == "costs":
            joins += " AND costs.valid_from <= orders.order_date"
            joins += " AND (costs.valid_to = '' OR orders.order_date < costs.valid_to)"
    base.execute(f"CREATE TABLE lines AS SELECT orders.*{taken} FROM orders{joins} ORDER BY orders.rowid")


def count(base, name):
    lost = f"FROM lines WHERE row_{name} IS NULL AND k_{name} IS NOT NULL"
    one = lambda query: base.execute(query).fetchone()[0]
    return {
        "matched": one(f"SELECT count(row_{name}) FROM lines"),
        "no_key": one(f"SELECT count(*) FROM lines WHERE k_{name} IS NULL"),
        "unmatched": one(f"SELECT count(*) {lost}"),
        "unmatched_keys": column(base, f"SELECT DISTINCT k_{name} {lost} ORDER BY 1"),
    }


def report(base):
    groups = ["region", "segment", "category", "campaign"]
    lines, quantity, amount = base.execute(
        "SELECT count(*), coalesce(sum(quantity), 0), coalesce(sum(amount_cents), 0)"
        " FROM (SELECT cast(quantity AS INTEGER) quantity, cast(amount_cents AS INTEGER) amount_cents FROM lines)"
    ).fetchone()
    return {
        "status": "done",
        "lines": lines,
        "quantity": quantity,
        "amount_cents": amount,
        "joins": {name: count(base, name) for name in LOOKUPS},
        "amount_cents_by": {
            group: dict(
                base.execute(
                    f"SELECT coalesce(nullif({group}, ''), '(none)'), sum(cast(amount_cents AS INTEGER))"
                    f" FROM lines GROUP BY 1"
                )
            )
            for group in groups
        },
    }


def publish(path, write):
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".new")
    with draft.open("w", encoding="utf-8", newline="") as stream:
        write(stream)
    os.replace(draft, path)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m enrich", description=__doc__)
    parser.add_argument("--in", dest="source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args(argv)
    base = sqlite3.connect(":memory:")
    try:
        load(base, options.source)
    except Unusable as reason:
        print(f"enrich: {reason}", file=sys.stderr)
        return 2
    twice = duplicates(base)
    if any(twice.values()):
        told = {"status": "refused", "duplicates": {name: keys for name, keys in twice.items() if keys}}
        publish(options.report, lambda stream: json.dump(told, stream))
        print(f"enrich: doubled keys: {told['duplicates']}", file=sys.stderr)
        return 3
    enrich(base)
    columns = [*TABLES["orders"], *TAKES.values()]
    rows = base.execute(f"SELECT {', '.join(columns)} FROM lines ORDER BY rowid")
    publish(options.out, lambda stream: csv.writer(stream).writerows([columns, *rows]))
    told = report(base)
    publish(options.report, lambda stream: json.dump(told, stream))
    return 0


if __name__ == "__main__":
    sys.exit(main())
