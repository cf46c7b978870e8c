"""``python -m loader --in DIR --manifest FILE --out DIR``, with pandas and pydantic."""

import argparse
import datetime as dt
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Literal

import pandas as pd
import pydantic

COLUMNS = ["specimen_date", "site", "postcode", "travel", "positives"]
LEDGER = ["delivery", "file", "sha256", "rows", "positives", "status"]
TABLES = {
    "cases": ["day", *COLUMNS],
    "amendments": ["day", "delivery", *COLUMNS],
    "ledger": LEDGER,
}
FORMS = {"DD/MM/YYYY": "%d/%m/%Y", "MM/DD/YYYY": "%m/%d/%Y", "YYYY-MM-DD": "%Y-%m-%d"}


class Entry(pydantic.BaseModel):
    name: str
    day: dt.date
    encoding: Literal["utf-8", "latin-1"]
    dates: Literal["DD/MM/YYYY", "MM/DD/YYYY", "YYYY-MM-DD"]
    rows: int
    positives: int


class Manifest(pydantic.BaseModel):
    delivery: dt.date
    files: list[Entry]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)


def read_file(path: Path, entry: Entry) -> pd.DataFrame:
    frame = pd.read_csv(
        path,
        encoding="utf-8-sig" if entry.encoding == "utf-8" else "latin-1",
        header=None,
        names=range(len(COLUMNS)),
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        skip_blank_lines=False,
        index_col=False,
    )
    if frame.iloc[:1].values.tolist() != [COLUMNS]:
        raise ValueError(f"another header: {frame.iloc[0].tolist()}")
    frame = frame.iloc[1:].reset_index(drop=True)
    frame.columns = COLUMNS
    numbers = frame["positives"].fillna("").str.fullmatch("[0-9]+").astype(bool)
    if not numbers.all():
        raise ValueError(f"row {numbers.idxmin() + 1}: positives is no number")
    dates = pd.to_datetime(frame["specimen_date"], format=FORMS[entry.dates], errors="raise")
    frame["specimen_date"] = dates.dt.strftime("%Y-%m-%d") if len(frame) else []
    return frame


def compare(manifest: Manifest, folder: Path) -> tuple[dict[str, pd.DataFrame], list[str]]:
    frames, complaints = {}, []
    there = {path.name for path in folder.glob("*.csv")}
    for name in there - {entry.name for entry in manifest.files}:
        complaints.append(f"{name} is not in the manifest")
    for entry in manifest.files:
        if entry.name not in there:
            complaints.append(f"{entry.name} has not come")
            continue
        try:
            frame = frames[entry.name] = read_file(folder / entry.name, entry)
        except (ValueError, pd.errors.ParserError) as error:
            complaints.append(f"{entry.name}: {error}")
            continue
        found = (len(frame), int(frame["positives"].astype(int).sum()))
        if found != (entry.rows, entry.positives):
            complaints.append(
                f"{entry.name}: {entry.rows} rows and {entry.positives} positives promised, "
                f"{found[0]} and {found[1]} found"
            )
    return frames, complaints


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loader")
    parser.add_argument("--in", dest="source", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    try:
        manifest = Manifest.model_validate_json(options.manifest.read_bytes())
    except (OSError, ValueError) as error:
        print(f"{options.manifest}: {error}", file=sys.stderr)
        return 2
    frames, complaints = compare(manifest, options.source)
    if complaints:
        print(*complaints, sep="\n", file=sys.stderr)
        return 4

    out = options.out
    pointer = out / "CURRENT"
    if pointer.exists():
        old = out / pointer.read_text()
        tables = {name: read(old / f"{name}.csv") for name in TABLES}
    else:
        tables = {name: pd.DataFrame(columns=columns) for name, columns in TABLES.items()}
    ledger = tables["ledger"]
    delivery = manifest.delivery.isoformat()
    if len(ledger) and (ledger["delivery"] == delivery).any():
        known = set(ledger.loc[ledger["delivery"] == delivery, "file"])
    else:
        known = set()
    closed = ledger["delivery"].max() if len(ledger) else ""
    checksums = set(ledger["sha256"])
    news = []
    for entry in manifest.files:
        digest = hashlib.sha256((options.source / entry.name).read_bytes()).hexdigest()
        if entry.name in known and digest in checksums:
            continue
        day, frame = entry.day.isoformat(), frames[entry.name]
        if digest in checksums:
            status = "duplicate"
        elif day > closed:
            status = "loaded"
            tables["cases"] = pd.concat([tables["cases"], frame.assign(day=day)])
        else:
            status = "amendment"
            more = frame.assign(day=day, delivery=delivery)
            tables["amendments"] = pd.concat([tables["amendments"], more])
        checksums.add(digest)
        news.append([delivery, entry.name, digest, entry.rows, entry.positives, status])
    if news:
        tables["ledger"] = pd.concat([ledger, pd.DataFrame(news, columns=LEDGER)])
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{delivery}-", dir=out))
        for name, columns in TABLES.items():
            tables[name][columns].to_csv(folder / f"{name}.csv", index=False)
        draft = folder / "name"
        draft.write_text(folder.name)
        draft.replace(pointer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
