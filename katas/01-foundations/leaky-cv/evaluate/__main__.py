"""The command line: ``python -m evaluate --in panel.csv --spec spec.json --out report.json``."""

import argparse
import json
import sys
from collections.abc import Sequence

from evaluate import scoring, table


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluate", description=__doc__)
    parser.add_argument("--in", dest="source", required=True, help="CSV, a row a sample")
    parser.add_argument("--spec", required=True, help="JSON: what the columns are")
    parser.add_argument("--out", required=True, help="where the report goes")
    options = parser.parse_args(argv)
    with open(options.out, "w") as stream:
        spec = table.read_spec(options.spec)
        report = scoring.evaluate(table.read_panel(options.source), spec)
        json.dump(report, stream, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
