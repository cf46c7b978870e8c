"""The nightly job: ``python -m enrich --in DIR --out F --report R``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from enrich import duplicates, tables
from enrich.reading import Unusable
from enrich.writing import write_json

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

    print("enrich: refused until the owners have put their tables in order", file=sys.stderr)
    write_json(options.report, {"status": "refused", "duplicates": duplicates.find(night)})
    return DUPLICATES


if __name__ == "__main__":
    sys.exit(main())
