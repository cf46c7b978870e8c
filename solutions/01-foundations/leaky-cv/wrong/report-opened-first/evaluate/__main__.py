"""The command line: ``python -m evaluate --in panel.csv --spec spec.json --out report.json``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from evaluate import scoring, table

REFUSED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate one panel and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m evaluate", description=__doc__)
    parser.add_argument("--in", dest="source", type=Path, required=True, help="CSV, a row a sample")
    parser.add_argument("--spec", type=Path, required=True, help="JSON: what the columns are")
    parser.add_argument("--out", type=Path, required=True, help="where the report goes")
    options = parser.parse_args(argv)
    stream = options.out.open("w", encoding="utf-8")
    try:
        spec = table.Spec.read(options.spec)
        report = scoring.evaluate(table.read(options.source, spec), spec)
    except table.Refused as refusal:
        print(f"evaluate: {refusal}", file=sys.stderr)
        return REFUSED
    with stream:
        json.dump(report, stream)
    return 0


if __name__ == "__main__":
    sys.exit(main())
