"""The books are a database; what readers see is a print of it.

A transaction decides what has been loaded. The print that CURRENT names is made from the database
alone, and made again whenever it is not of the latest state, so that a loader that was killed
between the two is caught up by the next one.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import sqlite3
from pathlib import Path

from loader.delivery import COLUMNS, File

TABLES = """
create table if not exists file (
    number integer primary key, delivery text, day text, name text, sha256 text,
    rows integer, positives integer, status text, unique (delivery, name, sha256));
create table if not exists household (
    file integer, specimen_date text, site text, postcode text, travel text, positives text);
"""
CELLS = ", ".join(f"household.{column} as {column}" for column in COLUMNS)
PRINTS = {
    "cases.csv": f"select day, {CELLS} from household join file on file = number "
    "where status = 'loaded' order by household.rowid",
    "amendments.csv": f"select day, delivery, {CELLS} from household join file on file = number "
    "where status = 'amendment' order by household.rowid",
    "ledger.csv": "select delivery, name as file, sha256, rows, positives, status "
    "from file order by number",
}


def publish(out: Path, delivery: str, files: list[File]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(out / "books.sqlite")) as books:
        books.executescript(TABLES)
        with books:
            books.execute("begin immediate")
            _enter(books, delivery, files)
        _print(books, out)


def _enter(books: sqlite3.Connection, delivery: str, files: list[File]) -> None:
    (closed,) = books.execute("select coalesce(max(delivery), '') from file").fetchone()
    for file in files:
        key = (delivery, file.name, file.sha256)
        if books.execute(
            "select 1 from file where (delivery, name, sha256) = (?, ?, ?)", key
        ).fetchone():
            continue
        if books.execute("select 1 from file where sha256 = ?", (file.sha256,)).fetchone():
            status = "duplicate"
        else:
            status = "amendment" if file.day <= closed else "loaded"
        number = books.execute(
            "insert into file (delivery, day, name, sha256, rows, positives, status) "
            "values (?, ?, ?, ?, ?, ?, ?)",
            (delivery, file.day, file.name, file.sha256, len(file.rows), file.positives, status),
        ).lastrowid
        if status != "duplicate":
            books.executemany(
                "insert into household values (?, ?, ?, ?, ?, ?)",
                ([number, *row] for row in file.rows),
            )


def _print(books: sqlite3.Connection, out: Path) -> None:
    (latest,) = books.execute("select coalesce(max(number), 0) from file").fetchone()
    version = f"print-{latest}"
    pointer = out / "CURRENT"
    if pointer.exists() and pointer.read_text().strip() == version:
        return
    shutil.rmtree(out / version, ignore_errors=True)
    (out / version).mkdir()
    for name, query in PRINTS.items():
        rows = books.execute(query)
        with open(out / version / name, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([column[0] for column in rows.description])
            writer.writerows(rows)
    draft = out / f"CURRENT.{os.getpid()}"
    draft.write_text(version)
    os.replace(draft, pointer)
