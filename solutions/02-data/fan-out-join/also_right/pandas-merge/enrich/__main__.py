"""The nightly job: ``python -m enrich --in DIR --out F --report R``."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from enrich import joins, reading


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m enrich", description=__doc__)
    parser.add_argument("--in", dest="source", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        tables = reading.read_all(options.source)
    except (OSError, ValueError) as error:
        print(f"enrich: {error}", file=sys.stderr)
        sys.exit(2)
    duplicates = joins.find_duplicates(tables)
    for path in (options.out, options.report):
        path.parent.mkdir(parents=True, exist_ok=True)
    if duplicates:
        told = {"status": "refused", "duplicates": duplicates}
        options.report.write_text(json.dumps(told), encoding="utf-8")
        print(f"enrich: refused, see {options.report}: {', '.join(duplicates)}", file=sys.stderr)
        sys.exit(3)
    lines, counts = joins.enrich(tables)
    amount = pd.to_numeric(lines["amount_cents"]).astype("int64")
    report = {
        "status": "done",
        "lines": len(lines),
        "quantity": int(pd.to_numeric(lines["quantity"]).sum()),
        "amount_cents": int(amount.sum()),
        "joins": counts,
        "amount_cents_by": {
            column: {k: int(v) for k, v in amount.groupby(lines[column].mask(lines[column] == "", "(none)")).sum().items()}
            for column in ["region", "segment", "category", "campaign"]
        },
    }
    lines.to_csv(options.out, index=False, encoding="utf-8")
    options.report.write_text(json.dumps(report), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
