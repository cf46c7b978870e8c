"""The nightly job: ``python -m enrich --in DIR --out F --report R``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from enrich import duplicates, joins, report, tables
from enrich.reading import Unusable
from enrich.writing import write_csv, write_json

UNUSABLE, DUPLICATES = 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m enrich", description=__doc__)
    parser.add_argument("--in", dest="source", type=Path, required=True, help="folder of CSV files")
    parser.add_argument("--out", type=Path, required=True, help="CSV for the enriched lines")
    parser.add_argument("--report", type=Path, required=True, help="JSON for counts and totals")
    options = parser.parse_args(argv)

    try:
        night = tables.load(options.source)
    except Unusable as reason:
        print(f"enrich: {reason}", file=sys.stderr)
        return UNUSABLE

    repeated = duplicates.find(night)
    if any(repeated.values()):
        print(f"enrich: more than one row for a key: {repeated}", file=sys.stderr)
        write_json(options.report, {"status": "refused", "duplicates": repeated})
        return DUPLICATES

    lines, found = joins.enrich(night)
    write_csv(options.out, lines)
    write_json(options.report, report.of(lines, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
