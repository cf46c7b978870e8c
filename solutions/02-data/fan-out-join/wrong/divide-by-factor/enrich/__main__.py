"""The nightly job: ``python -m enrich --in DIR --out F --report R``."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from enrich import joins, report, tables


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m enrich", description=__doc__)
    parser.add_argument("--in", dest="source", type=Path, required=True, help="folder of CSV files")
    parser.add_argument("--out", type=Path, required=True, help="CSV for the enriched lines")
    parser.add_argument("--report", type=Path, required=True, help="JSON for counts and totals")
    options = parser.parse_args(argv)

    night = tables.load(options.source)
    lines = joins.enrich(night)
    for path in (options.out, options.report):
        path.parent.mkdir(parents=True, exist_ok=True)
    lines.to_csv(options.out, index=False)
    options.report.write_text(json.dumps(report.totals(lines, len(night["orders"])), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
