"""CSV in and out with the standard library."""

import csv
import math

CATEGORICAL = ["plan", "region", "contract", "payment_method"]
NUMERIC = ["tenure_months", "monthly_fee", "data_gb", "support_calls", "days_since_login"]


class Refused(Exception):
    pass


def read(path, labelled=False):
    wanted = ["customer_id", *CATEGORICAL, *NUMERIC] + (["churned"] if labelled else [])
    with open(path, newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        missing = set(wanted) - set(reader.fieldnames or [])
        if missing:
            raise Refused(f"{path} lacks {', '.join(sorted(missing))}")
        rows = [{column: row[column] for column in wanted} for row in reader]
    for row in rows:
        for column in wanted[5:]:
            row[column] = number(row[column], column, row["customer_id"])
    return rows


def number(cell, column, customer):
    if cell == "":
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Refused(f"{column} of customer {customer} is {cell!r}, not a number")
    return value


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
