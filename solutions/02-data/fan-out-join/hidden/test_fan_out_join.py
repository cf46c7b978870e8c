"""Nights drawn anew for every behaviour, and what the contract says about them."""

import csv
import io
import json
import unicodedata
from datetime import date, timedelta

from grader.judge import Raised, expect

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
#: For each table its key, what is taken from it, and its columns.
TABLES = {
    "stores": ("store_id", "region", ["store_id", "region"]),
    "customers": ("customer_id", "segment", ["customer_id", "segment"]),
    "products": ("product_id", "category", ["product_id", "category"]),
    "costs": (
        "product_id",
        "unit_cost_cents",
        ["product_id", "valid_from", "valid_to", "unit_cost_cents"],
    ),
    "promotions": ("promo_code", "campaign", ["promo_code", "campaign"]),
}
TAKEN = [taken for _, taken, _ in TABLES.values()]
GROUPS = ["region", "segment", "category", "campaign"]
WORDS = [
    "alder",
    "birch",
    "cedar",
    "elm",
    "fir",
    "hazel",
    "larch",
    "maple",
    "oak",
    "pine",
    "rowan",
    "spruce",
    "willow",
    "yew",
]


# ---------------------------------------------------------------------------- made-up nights


class Night:
    """Six tables as lists of rows. Everything is plain and found until a test changes it."""

    def __init__(self, rng, lines=40):
        self.rng = rng
        self.day = date(2025, 1, 1) + timedelta(days=int(rng.integers(120, 700)))
        numbers = rng.choice(range(10, 90), 8, replace=False)
        ids = 100_000 + rng.choice(800_000, 14, replace=False)
        codes = 100 + rng.choice(800, 10, replace=False)
        promos = rng.choice(WORDS, 4, replace=False)
        self.rows = {
            "stores": [
                {"store_id": str(n), "region": self.word("region", i % 4)}
                for i, n in enumerate(numbers)
            ],
            "customers": [
                {"customer_id": str(n), "segment": self.word("segment", i % 4)}
                for i, n in enumerate(ids)
            ],
            "products": [
                {"product_id": f"P{n}", "category": self.word("category", i % 4)}
                for i, n in enumerate(codes)
            ],
            "costs": [self.cost(f"P{n}", 500) for n in codes],
            "promotions": [
                {"promo_code": f"{p.upper()}{rng.integers(5, 50)}", "campaign": f"week of {p}"}
                for p in promos
            ],
        }
        self.number = int(rng.integers(10_000, 80_000))
        self.rows["orders"] = [self.line() for _ in range(lines)]

    def word(self, what, number):
        return f"{what} {WORDS[(number + self.day.toordinal()) % len(WORDS)]}"

    def cost(self, product, begun, ended=None):
        """A period from `begun` days before the night's day, to `ended` days before it."""
        return {
            "product_id": product,
            "valid_from": self.ago(begun),
            "valid_to": "" if ended is None else self.ago(ended),
            "unit_cost_cents": str(self.rng.integers(100, 9000)),
        }

    def ago(self, days):
        return (self.day - timedelta(days=days)).isoformat()

    def line(self, **cells):
        """A line with keys that each table has; the caller says what is special about it."""
        self.number += 1
        line = {"order_id": f"A-{self.number}", "order_date": self.day.isoformat()}
        for table in ("stores", "customers", "products", "promotions"):
            key = TABLES[table][0]
            line[key] = self.one_of(table)[key]
        line["quantity"] = str(self.rng.integers(1, 5))
        line["amount_cents"] = str(self.rng.integers(99, 20_000))
        return {column: {**line, **cells}[column] for column in ORDERS}

    def one_of(self, table):
        rows = self.rows[table]
        return rows[int(self.rng.integers(len(rows)))]

    def some_lines(self, share):
        lines = self.rows["orders"]
        count = max(2, int(share * len(lines)))
        return [lines[i] for i in self.rng.choice(len(lines), count, replace=False)]

    def add(self, table, **cells):
        """One more row, at a place of its own. What is not given is made up."""
        row = {column: f"{column} {self.rng.integers(100)}" for column in TABLES[table][2]} | cells
        self.rows[table].insert(int(self.rng.integers(len(self.rows[table]) + 1)), row)

    def add_lines(self, *lines):
        for line in lines:
            place = int(self.rng.integers(len(self.rows["orders"]) + 1))
            self.rows["orders"].insert(place, line)

    def shuffled(self, *tables):
        other = object.__new__(Night)
        other.__dict__ = self.__dict__ | {"rows": dict(self.rows)}
        for table in tables:
            rows = self.rows[table]
            other.rows[table] = [rows[i] for i in self.rng.permutation(len(rows))]
        return other

    def files(self, folder="in"):
        columns = {"orders": ORDERS} | {table: told[2] for table, told in TABLES.items()}
        return {
            f"{folder}/{table}.csv": as_csv(self.rows[table], list(self.rows[table][0]))
            if self.rows[table]
            else as_csv([], columns[table])
            for table in columns
        }


def as_csv(rows, columns):
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


# ---------------------------------------------------------------------------- what is right


def form(table, cell):
    """A key as it is compared."""
    text = unicodedata.normalize("NFC", cell.strip(" \t"))
    if table == "stores" and text and all(c in "0123456789" for c in text):
        return text.lstrip("0") or "0"
    return text


def looked_up(night, table):
    """For each line the row of `table` that belongs to it, or None."""
    key = TABLES[table][0]
    rows = {}
    for row in night.rows[table]:
        if form(table, row[key]):
            rows.setdefault(form(table, row[key]), []).append(row)
    answers = []
    for line in night.rows["orders"]:
        found = rows.get(form(table, line[key]), [])
        if table == "costs":
            day = line["order_date"]
            found = [
                row
                for row in found
                if row["valid_from"] <= day and (not row["valid_to"] or day < row["valid_to"])
            ]
        answers.append(found[0] if found else None)
    return answers


def cells_taken(night, table):
    taken = TABLES[table][1]
    return ["" if row is None else row[taken] for row in looked_up(night, table)]


def counts(night, table):
    keys = [form(table, line[TABLES[table][0]]) for line in night.rows["orders"]]
    found = looked_up(night, table)
    lost = [key for key, row in zip(keys, found, strict=True) if key and row is None]
    return {
        "matched": sum(row is not None for row in found),
        "no_key": sum(not key for key in keys),
        "unmatched": len(lost),
        "unmatched_keys": sorted(set(lost)),
    }


def total(rows, column):
    return sum(int(row[column]) for row in rows)


def groups(night, table):
    sums = {}
    for line, cell in zip(night.rows["orders"], cells_taken(night, table), strict=True):
        sums[cell or "(none)"] = sums.get(cell or "(none)", 0) + int(line["amount_cents"])
    return sums


# ---------------------------------------------------------------------------- the job


def run(submission, night, given, *, code=0, out="out.csv", report="report.json", folder="in"):
    """The quick way: main(argv). Fails the behaviour unless it gives `code`."""
    submission.write(night.files(folder))
    argv = ["--in", folder, "--out", out, "--report", report]
    try:
        ended = submission.call("enrich.__main__:main", argv)
    except Raised as error:
        if error.type != "SystemExit":
            observed = error.unmet().finding.observed
            expect(False, observed=observed, expected=f"exit code {code}", given=given)
        ended = f"{error.type}: {error.message}"
    agreed(ended, code, submission.log(), given)


def command(submission, files, given, *, code=0, out="out.csv", report="report.json"):
    """The whole way: a process of its own. Returns its standard error."""
    submission.write(files)
    done = submission.run(
        ["python", "-m", "enrich", "--in", "in", "--out", out, "--report", report]
    )
    agreed(done.exit_code, code, done.stderr, given)
    return done.stderr


def agreed(ended, code, log, given):
    right = ended == f"SystemExit: {code}" or (type(ended) is int and ended == code)
    lines = log.strip().splitlines()
    last = f"; the last that it printed: {lines[-1]}" if lines else ""
    expect(
        right,
        observed=f"exit code {ended}{last}" if type(ended) is int else f"{ended}{last}",
        expected=f"exit code {code}",
        given=given,
    )


def lines_of(submission, night, given, out="out.csv"):
    """The output's rows, once they are the lines of orders.csv: each once, in that order."""
    rows = submission.csv(out, columns=[*ORDERS, *TAKEN])
    orders = night.rows["orders"]
    expect(
        len(rows) == len(orders),
        observed=f"{len(rows)} lines come out",
        expected=f"{len(orders)}, as many as went in",
        given=given,
    )
    for number, (row, line) in enumerate(zip(rows, orders, strict=True), 1):
        expect(
            row["order_id"] == line["order_id"],
            observed=f"line {number} of the output is of order {row['order_id']}",
            expected=f"order {line['order_id']}, as in orders.csv",
            given=given,
        )
    return rows


def check_cells(rows, night, table, given):
    """The column that is taken from `table`, line by line."""
    key, taken, _ = TABLES[table]
    right = cells_taken(night, table)
    wrong = [i for i, (row, cell) in enumerate(zip(rows, right, strict=True)) if row[taken] != cell]
    if wrong:
        line, day = night.rows["orders"][wrong[0]], ""
        if table == "costs":
            day = f" on {line['order_date']}"
        expect(
            False,
            observed=f"{taken} is {rows[wrong[0]][taken]!r} in a line with {key} {line[key]!r}"
            f"{day} ({len(wrong)} of {len(rows)} lines are wrong there)",
            expected=repr(right[wrong[0]]) if right[wrong[0]] else "an empty cell",
            given=given,
        )


def report_of(submission, given, status="done", path="report.json"):
    report = submission.json(path)
    told = report.get("status") if isinstance(report, dict) else report
    expect(
        isinstance(report, dict) and told == status,
        observed=f"the report's status is {told!r}",
        expected=repr(status),
        given=given,
    )
    return report


def counts_of(report, table):
    joins = report.get("joins")
    told = joins.get(table) if isinstance(joins, dict) else None
    fields = ["matched", "no_key", "unmatched", "unmatched_keys"]
    there = told if isinstance(told, dict) else {}
    expect(
        all(field in there for field in fields),
        observed=f"joins has {json.dumps(told)} for {table}",
        expected="an object with " + ", ".join(fields),
    )
    return {field: told[field] for field in fields}


def check_counts(report, night, table, given):
    told, right = counts_of(report, table), counts(night, table)
    for field, value in right.items():
        expect(
            type(told[field]) is type(value) and told[field] == value,
            observed=f"{field} of {table} is {told[field]!r}",
            expected=repr(value),
            given=given,
        )


def check_duplicates(report, right, given):
    """`right` names the keys of each table; what is not named has none."""
    told = report.get("duplicates")
    expect(
        isinstance(told, dict),
        observed=f"duplicates is {told!r}",
        expected="an object with a list of keys for each table",
        given=given,
    )
    for table in TABLES:
        keys = told.get(table, [])
        expect(
            keys == sorted(right.get(table, [])),
            observed=f"the duplicates of {table} are {keys!r}",
            expected=repr(sorted(right.get(table, []))),
            given=given,
        )


def check_sums(told, right, given):
    for name, value in right.items():
        expect(
            type(told.get(name)) is int and told[name] == value,
            observed=f"{name} is {told.get(name)!r}",
            expected=f"{value}, as in orders.csv",
            given=given,
        )


def sums_of(rows):
    return {
        "lines": len(rows),
        "quantity": total(rows, "quantity"),
        "amount_cents": total(rows, "amount_cents"),
    }


YESTERDAY = "order_id\nwhat yesterday left\n"


def untouched(submission, given, *paths):
    for path in paths:
        now = submission.text(path)
        expect(
            now == YESTERDAY,
            observed=f"{path} begins with {now[:60]!r}",
            expected="what stood there before, unchanged",
            given=given,
        )


# ---------------------------------------------------------------------------- the incident


def test_second_row_refused(submission, rng):
    night = Night(rng)
    twice = night.one_of("stores")["store_id"]
    night.add_lines(night.line(store_id=twice))
    night.add("stores", store_id=twice)
    night.add("stores", store_id="97", region="planned")
    night.add("stores", store_id="97", region="planned for May")
    copied = night.one_of("customers")
    night.add("customers", **copied)
    night.add("customers", **copied)
    table = str(rng.choice(["products", "promotions"]))
    key = TABLES[table][0]
    other = night.one_of(table)[key]
    night.add(table, **{key: other})
    right = {"stores": [twice, "97"], "customers": [copied["customer_id"]], table: [other]}
    given = (
        f"two rows each for the stores {twice} and 97 (no line refers to 97) and for "
        f"{other} in {table}, three equal rows for one customer"
    )
    submission.write({"out.csv": YESTERDAY})
    run(submission, night, given, code=3)
    untouched(submission, given, "out.csv")
    check_duplicates(report_of(submission, given, "refused"), right, given)

    night = Night(rng)
    copied = night.one_of("promotions")
    night.add("promotions", **copied)
    given = "one row of promotions.csv stands there twice; no output from yesterday"
    paths = {"out": "new.csv", "report": "new.json"}
    complaint = command(submission, night.files(), given, code=3, **paths)
    expect(
        "promotions" in complaint,
        observed=f"standard error ends with {complaint.strip()[-200:]!r}",
        expected="the name promotions there",
        given=given,
    )
    expect(
        "new.csv" not in submission.listing(),
        observed="the output was made all the same",
        expected="no output",
        given=given,
    )
    told = report_of(submission, given, "refused", "new.json")
    check_duplicates(told, {"promotions": [copied["promo_code"]]}, given)


def test_every_line_once(submission, rng):
    night = Night(rng, 60)
    for line in night.some_lines(0.2):
        night.add_lines(dict(line))
    lines = night.rows["orders"]
    lines.insert(7, dict(lines[6]))
    back = int(rng.integers(100, 900))
    night.add_lines(night.line(quantity="-1", amount_cents=str(-back)), night.line(quantity="-2"))
    given = f"{len(lines)} lines, some of them equal in every column, two of them returns"
    paths = {"out": "published/night/lines.csv", "report": "reports/night.json"}
    command(submission, night.files(), given, **paths)
    rows = lines_of(submission, night, given, paths["out"])
    told = []
    for row in rows:
        try:
            told.append((row["order_id"], int(row["quantity"]), int(row["amount_cents"])))
        except ValueError:
            observed = f"quantity is {row['quantity']!r}, amount_cents is {row['amount_cents']!r}"
            expect(False, observed=observed, expected="whole numbers", given=given)
    right = [(line["order_id"], int(line["quantity"]), int(line["amount_cents"])) for line in lines]
    for one, other in zip(told, right, strict=True):
        expect(
            one == other,
            observed=f"a line with {one[1]} pieces for {one[2]} cents in order {one[0]}",
            expected=f"{other[1]} pieces for {other[2]} cents",
            given=given,
        )
    check_sums(report_of(submission, given, path=paths["report"]), sums_of(lines), given)


def test_empty_keys_match_nothing(submission, rng):
    night = Night(rng)
    shares = {"customer_id": 0.3, "promo_code": 0.5, "store_id": 0.05, "product_id": 0.05}
    for key, share in shares.items():
        for line in night.some_lines(share):
            line[key] = ""
    for table, rows in (("customers", 2), ("promotions", 2), ("stores", 1), ("products", 1)):
        for _ in range(rows):
            night.add(table, **{TABLES[table][0]: ""})
    night.rows["costs"] += [night.cost("", 400), night.cost("", 300)]
    given = "lines without customer, promotion, store or product; rows without a key in each table"
    run(submission, night, given)
    rows, report = lines_of(submission, night, given), report_of(submission, given)
    for table in TABLES:
        check_cells(rows, night, table, given)
    for table in TABLES:
        told, right = counts_of(report, table)["no_key"], counts(night, table)["no_key"]
        expect(
            type(told) is int and told == right,
            observed=f"no_key of {table} is {told!r}",
            expected=str(right),
            given=given,
        )


# ---------------------------------------------------------------------------- its neighbours


def test_store_numbers(submission, rng):
    night = Night(rng)
    low = str(rng.integers(1, 9))
    night.add("stores", store_id=low, region="hills")
    night.add("stores", store_id="K7", region="kiosk by the lake")
    night.add("stores", store_id="K07", region="kiosk in the wood")
    kiosks = [night.line(store_id="K7"), night.line(store_id="K07")]
    night.add_lines(*kiosks, night.line(store_id=f"0{low}"), night.line(store_id=low))
    for line in night.some_lines(0.4):
        if line["store_id"].isdigit():
            line["store_id"] = "0" * int(rng.integers(1, 3)) + line["store_id"]
    row = night.one_of("stores")
    if row["store_id"].isdigit():
        row["store_id"] = "0" + row["store_id"]
    given = f"some tills write 0{low} for {low}, and K7 and K07 are kiosks"
    run(submission, night, given)
    check_cells(lines_of(submission, night, given), night, "stores", given)

    night.add("stores", store_id=f"00{low}", region="moved")
    given = f"stores.csv has a row for {low} and one for 00{low}"
    run(submission, night, given, code=3)
    check_duplicates(report_of(submission, given, "refused"), {"stores": [low]}, given)


def test_other_keys_are_text(submission, rng):
    night = Night(rng)
    number, power = int(rng.integers(11, 99)), int(rng.integers(3, 6))
    products = [f"00{number}", str(number), f"{number}E{power}", str(number * 10**power)]
    for product in products:
        night.add("products", product_id=product, category=f"shelf {product}")
        night.rows["costs"].append(night.cost(product, 300))
        night.add_lines(night.line(product_id=product), night.line(product_id=product))
    long = int(rng.integers(4 * 10**17, 9 * 10**17))
    for i in range(3):
        night.add("customers", customer_id=str(long + i), segment=f"segment of {long + i}")
        night.add_lines(night.line(customer_id=str(long + i)), night.line(customer_id=""))
    for code in ("NA", "null"):
        night.add("promotions", promo_code=code, campaign=f"campaign {code}")
        night.add_lines(night.line(promo_code=code), night.line(promo_code=""))
    given = f"products {', '.join(products)}; customers {long} to {long + 2}; codes NA and null"
    run(submission, night, given)
    rows = lines_of(submission, night, given)
    for table in ("products", "costs", "customers", "promotions"):
        check_cells(rows, night, table, given)


def test_blanks_and_accents(submission, rng):
    night = Night(rng)
    number = int(rng.integers(5, 50))
    pair = [f"CAFÉ{number}", f"Jalapeño{number}"]
    if rng.random() < 0.5:
        pair.reverse()
    in_one, in_five = (
        unicodedata.normalize(f, c) for f, c in zip(("NFC", "NFD"), pair, strict=True)
    )
    night.add("promotions", promo_code=in_one, campaign="terrace")
    night.add("promotions", promo_code=in_five + " ", campaign="kitchen garden")
    upper = f"MAY{number}"
    night.add("promotions", promo_code=upper, campaign="flyer")
    night.add("promotions", promo_code=upper.lower(), campaign="app")
    row = night.one_of("customers")
    row["customer_id"] += "  "
    for code in (in_one, in_five, upper, upper.lower()):
        for f in ("NFC", "NFD"):
            other = unicodedata.normalize(f, code)
            night.add_lines(night.line(promo_code=other), night.line(promo_code=f" {other}\t"))
    night.add_lines(night.line(promo_code="  "), night.line(customer_id=row["customer_id"].strip()))
    product = night.one_of("products")["product_id"]
    night.add_lines(night.line(product_id=product + " "))
    given = f"{pair[0]} and {pair[1]} in both Unicode forms, {upper} and {upper.lower()}, blanks"
    run(submission, night, given)
    rows, report = lines_of(submission, night, given), report_of(submission, given)
    for table in ("promotions", "customers", "products", "costs"):
        check_cells(rows, night, table, given)
    check_counts(report, night, "promotions", given)

    night.add("promotions", promo_code=unicodedata.normalize("NFD", in_one), campaign="other")
    night.add("products", product_id=product + " ")
    given = f"two rows each for {in_one} (in other Unicode forms) and {product} (one with a blank)"
    run(submission, night, given, code=3)
    right = {"promotions": [in_one], "products": [product]}
    check_duplicates(report_of(submission, given, "refused"), right, given)


def test_cost_on_the_day(submission, rng):
    night = Night(rng)
    products = [row["product_id"] for row in night.rows["products"]]
    touching, gap = products[0], products[1]
    first, second = int(rng.integers(60, 90)), int(rng.integers(20, 50))
    others = [row for row in night.rows["costs"] if row["product_id"] not in (touching, gap)]
    night.rows["costs"] = [
        night.cost(touching, second),
        night.cost(touching, 200, first),
        night.cost(touching, first, second),
        night.cost(gap, second, 3),
        night.cost(gap, 200, first),
        *others,
    ]
    night.rows["costs"] = night.shuffled("costs").rows["costs"]
    days = {201, 200, first + 1, first, first - 1, second + 1, second, second - 1, 4, 3, 2, 0}
    for days_ago in sorted(days):
        for product in (touching, gap):
            night.add_lines(night.line(product_id=product, order_date=night.ago(days_ago)))
    given = (
        f"{touching} changes its cost on {night.ago(first)} and {night.ago(second)}; "
        f"{gap} has none from {night.ago(first)} to {night.ago(second + 1)} "
        f"and from {night.ago(3)} on"
    )
    run(submission, night, given)
    check_cells(lines_of(submission, night, given), night, "costs", given)
    check_counts(report_of(submission, given), night, "costs", given)


def test_overlapping_periods(submission, rng):
    for hit in (False, True):
        night = Night(rng)
        one, within, touching, copied, *_ = (row["product_id"] for row in night.rows["products"])
        if not hit:
            within = f"R{rng.integers(100, 999)}"  # sold by nobody any more
        kept = [r for r in night.rows["costs"] if r["product_id"] not in (one, within, touching)]
        night.rows["costs"] = [
            *kept,
            night.cost(one, 300, 100),
            night.cost(one, 101, 90),
            night.cost(within, 300, 60),
            night.cost(within, 250, 240),
            night.cost(within, 200, 190),
            night.cost(touching, 300, 100),
            night.cost(touching, 100, 50),
            night.cost(touching, 50),
        ]
        right = [one, within]
        if hit:
            night.add_lines(night.line(product_id=one, order_date=night.ago(101)))
            night.rows["costs"] += [r for r in kept if r["product_id"] == copied]
            right.append(copied)
        night.rows["costs"] = night.shuffled("costs").rows["costs"]
        where = "a line on" if hit else "no line on"
        given = (
            f"two costs of {one} on {night.ago(101)} ({where} that day), three of {within} that "
            f"share days, {'an equal row for ' + copied + ', ' if hit else ''}"
            f"periods of {touching} that touch"
        )
        run(submission, night, given, code=3)
        check_duplicates(report_of(submission, given, "refused"), {"costs": right}, given)


def test_totals_add_up(submission, rng):
    night = Night(rng)
    for line in night.some_lines(0.3):
        line["customer_id"] = ""
    for line in night.some_lines(0.5):
        line["promo_code"] = ""
    night.one_of("products")["category"] = ""
    night.rows["stores"] = night.rows["stores"][:-2]
    night.add_lines(night.line(quantity="-1", amount_cents="-450"))
    given = "guests, lines without a promotion, unknown stores, a product without a category"
    run(submission, night, given)
    report = report_of(submission, given)
    check_sums(report, sums_of(night.rows["orders"]), given)
    by = report.get("amount_cents_by")
    expect(isinstance(by, dict), observed=f"amount_cents_by is {by!r}", expected="an object")
    for table, (_, group, _) in TABLES.items():
        if group not in GROUPS:
            continue
        told, right = by.get(group), groups(night, table)
        fits = isinstance(told, dict) and all(type(cents) is int for cents in told.values())
        expect(
            fits,
            observed=f"the groups of {group} are {told!r}",
            expected="an object with whole numbers",
            given=given,
        )
        for name in sorted(right.keys() | told.keys()):
            expect(
                told.get(name, 0) == right.get(name, 0),
                observed=f"{name} has {told.get(name, 0)} cents among the groups of {group}, "
                f"which add up to {sum(told.values())}",
                expected=f"{right.get(name, 0)} cents, in a total of {sum(right.values())}",
                given=given,
            )


def full_night(rng, lines):
    """All that the contract allows, in one night."""
    night = Night(rng, lines)
    for key, share in (("customer_id", 0.25), ("promo_code", 0.5), ("store_id", 0.02)):
        for line in night.some_lines(share):
            line[key] = ""
    for line in night.some_lines(0.2):
        if line["store_id"]:
            line["store_id"] = "0" + line["store_id"]
    for line in night.some_lines(0.1):
        line["promo_code"] += " "
    for line in night.some_lines(0.05):
        night.add_lines(dict(line))
    for line in night.some_lines(0.05):
        line.update(quantity="-1", amount_cents=str(-int(rng.integers(99, 2000))))
    moved = night.one_of("products")["product_id"]
    night.rows["costs"] = [r for r in night.rows["costs"] if r["product_id"] != moved]
    night.rows["costs"] += [night.cost(moved, 400, 100), night.cost(moved, 100, 0)]
    night.rows["costs"] += [night.cost(moved, 0), night.cost("discontinued", 400)]
    night.add("customers", customer_id="")
    night.add("customers", customer_id="")
    night.one_of("customers")["segment"] = ""
    unknown = [str(n) for n in rng.choice(range(100, 999), 3, replace=False)]
    night.add_lines(*(night.line(product_id=f"Q{n}") for n in unknown))
    night.add_lines(*(night.line(customer_id=f"8{n}") for n in unknown))
    night.add_lines(*(night.line(store_id=f"0{n}") for n in unknown))
    night.add_lines(night.line(product_id=moved, order_date=night.ago(1)))
    night.add_lines(night.line(product_id=moved))
    return night


def told_by(report):
    """What the interface names, of a report that is done."""
    named = ("lines", "quantity", "amount_cents", "amount_cents_by")
    return {name: report.get(name) for name in named} | {
        f"{field} of {table}": value
        for table in TABLES
        for field, value in counts_of(report, table).items()
    }


def test_order_does_not_matter(submission, rng):
    night = full_night(rng, 60)
    run(submission, night, "a night in one order")
    lines = lines_of(submission, night, "a night in one order")
    told = told_by(report_of(submission, "a night in one order"))
    for other, given in (
        (night.shuffled(*TABLES), "the same night, the rows of the five tables shuffled"),
        (night.shuffled("orders"), "the same night, the order lines shuffled"),
    ):
        run(submission, other, given)
        rows = lines_of(submission, other, given)
        for table in TABLES:
            check_cells(rows, other, table, given)
        again = told_by(report_of(submission, given))
        for name in told:
            expect(
                again[name] == told[name],
                observed=f"{name} is {json.dumps(again[name])}",
                expected=f"{json.dumps(told[name])}, as before",
                given=given,
            )
        if other.rows["orders"] is night.rows["orders"]:
            moved = sum(one != two for one, two in zip(rows, lines, strict=True))
            expect(
                moved == 0,
                observed=f"{moved} lines of the output have changed",
                expected="the same output",
                given=given,
            )
    for row in night.rows["stores"][:3] + night.rows["stores"][:1]:
        night.add("stores", store_id=row["store_id"])
    found = []
    for other in (night, night.shuffled(*TABLES)):
        given = "three stores have several rows, in two orders of the file"
        run(submission, other, given, code=3)
        found.append(report_of(submission, given, "refused").get("duplicates"))
    expect(
        found[0] == found[1],
        observed=f"{json.dumps(found[0])} and then {json.dumps(found[1])}",
        expected="the same duplicates in both reports",
        given=given,
    )


def test_new_columns_ignored(submission, rng):
    night = full_night(rng, 50)
    more = {
        "stores": {"customer_id": "700100", "updated_at": "2025-06-01"},
        "customers": {"region": "where they live", "updated_at": "2025-06-02"},
        "products": {"quantity": "12", "updated_at": "2025-06-03", "segment": "premium"},
        "costs": {"category": "purchasing's own", "updated_at": ""},
        "promotions": {"valid_from": night.ago(3), "valid_to": night.ago(1), "segment": "all"},
    }
    for table in ["orders", *TABLES]:
        rows = [row | more.get(table, {}) for row in night.rows[table]]
        columns = [str(column) for column in rng.permutation(list(rows[0]))]
        night.rows[table] = [{column: row[column] for column in columns} for row in rows]
    given = "further columns in the five tables (such as region in customers.csv), in any order"
    run(submission, night, given)
    rows = lines_of(submission, night, given)
    for table in TABLES:
        check_cells(rows, night, table, given)
    check_sums(report_of(submission, given), sums_of(night.rows["orders"]), given)


# ---------------------------------------------------------------------------- bad input


def refused(submission, files, given, *names):
    """Exit code 2, `names` on standard error, and yesterday's files as they were."""
    earlier = {"out.csv": YESTERDAY, "report.json": YESTERDAY}
    complaint = command(submission, files | earlier, given, code=2)
    for name in names:
        expect(
            name in complaint,
            observed=f"standard error ends with {complaint.strip()[-200:]!r}",
            expected=f"the name {name} there",
            given=given,
        )
    untouched(submission, given, "out.csv", "report.json")


def test_unusable_file_refused(submission, rng):
    night = Night(rng, 20)
    lost = str(rng.choice(["orders", *TABLES]))
    files = {path: text for path, text in night.files().items() if path != f"in/{lost}.csv"}
    refused(submission, files, f"no {lost}.csv in the folder", lost)
    table = str(rng.choice(["orders", *TABLES]))
    column = str(rng.choice(ORDERS if table == "orders" else TABLES[table][2]))
    rows = [{c: cell for c, cell in row.items() if c != column} for row in night.rows[table]]
    files = night.files() | {f"in/{table}.csv": as_csv(rows, list(rows[0]))}
    refused(submission, files, f"{table}.csv without the column {column}", table, column)
    empty = str(rng.choice(list(TABLES)))
    files = night.files() | {f"in/{empty}.csv": ""}
    refused(submission, files, f"{empty}.csv has zero bytes", empty)


def test_unusable_cell_refused(submission, rng):
    cases = [
        ("orders", "quantity", ["two", "1.5", ""]),
        ("orders", "amount_cents", ["12,50", "12.99", "n/a", ""]),
        ("orders", "order_date", ["14/06/2025", "yesterday", ""]),
        ("costs", "valid_from", ["01.03.2025", "spring", ""]),
        ("costs", "valid_to", ["soon", "31/12/2025"]),
    ]
    for table, column, cells in cases:
        night, cell = Night(rng, 20), str(rng.choice(cells))
        night.one_of(table)[column] = cell
        given = f"{column} is {cell!r} in one row of {table}.csv"
        refused(submission, night.files(), given, table, column)


def test_nothing_sold(submission, rng):
    night = Night(rng, 12)
    closed = night.shuffled()
    closed.rows["orders"] = []
    given = "orders.csv with a header and no rows"
    run(submission, closed, given)
    lines_of(submission, closed, given)
    report = report_of(submission, given)
    check_sums(report, sums_of([]), given)
    for table in TABLES:
        check_counts(report, closed, table, given)

    for table in TABLES:
        night.rows[table] = []
    for line in night.some_lines(0.3):
        line["customer_id"] = ""
    given = "five tables with a header and no rows"
    run(submission, night, given)
    rows, report = lines_of(submission, night, given), report_of(submission, given)
    check_sums(report, sums_of(night.rows["orders"]), given)
    for table in TABLES:
        check_cells(rows, night, table, given)
        check_counts(report, night, table, given)


# ---------------------------------------------------------------------------- of use


def test_unmatched_kept(submission, rng):
    night = Night(rng)
    night.rows["customers"][0]["segment"] = ""
    night.rows["costs"][0]["unit_cost_cents"] = ""
    night.add_lines(night.line(customer_id=night.rows["customers"][0]["customer_id"]))
    night.add_lines(night.line(product_id=night.rows["costs"][0]["product_id"]))
    for key, share in (("customer_id", 0.2), ("promo_code", 0.3)):
        for line in night.some_lines(share):
            line[key] = ""
    unknown = [str(n) for n in rng.choice(range(100, 999), 4, replace=False)]
    for n in unknown:
        night.add_lines(night.line(store_id=f"0{n}"), night.line(store_id=n))
        night.add_lines(night.line(customer_id=f"7{n}"), night.line(product_id=f"Q{n}"))
        night.add_lines(night.line(promo_code=f"OLD{n}"))
    given = f"keys that no table has, such as store {unknown[0]}; a known customer without segment"
    run(submission, night, given)
    rows, report = lines_of(submission, night, given), report_of(submission, given)
    for table in TABLES:
        check_cells(rows, night, table, given)
    for table in TABLES:
        check_counts(report, night, table, given)


def test_ordinary_night(submission, rng):
    night = full_night(rng, 300)
    lines = len(night.rows["orders"])
    given = f"a night of {lines} lines with all that the contract allows"
    command(submission, night.files(), given)
    header = submission.text("out.csv").splitlines()[0].split(",")
    expect(
        [name.strip('"') for name in header] == [*ORDERS, *TAKEN],
        observed=f"the output's columns are {', '.join(header)}",
        expected=", ".join([*ORDERS, *TAKEN]),
        given=given,
    )
    rows = lines_of(submission, night, given)
    for row, line in zip(rows, night.rows["orders"], strict=True):
        for column in ORDERS:
            expect(
                row[column] == line[column],
                observed=f"{column} is {row[column]!r} in a line of order {line['order_id']}",
                expected=f"{line[column]!r}, as in orders.csv",
                given=given,
            )
    report = report_of(submission, given)
    check_sums(report, sums_of(night.rows["orders"]), given)
    for table in TABLES:
        check_cells(rows, night, table, given)
        check_counts(report, night, table, given)
