"""The nightly job: ``python -m enrich --in DIR --out F --report R``."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from enrich import joins, report, tables

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
    except tables.Unusable as reason:
        print(f"enrich: {reason}", file=sys.stderr)
        return UNUSABLE

    duplicates = joins.duplicates(night)
    if any(duplicates.values()):
        print(f"enrich: more than one row for a key: {duplicates}", file=sys.stderr)
        _replace(options.report, _as_json({"status": "refused", "duplicates": duplicates}))
        return DUPLICATES

    lines, found = joins.enrich(night)
    _replace(options.out, lines.to_csv(index=False, lineterminator="\n"))
    _replace(options.report, _as_json(report.of(lines, found)))
    return 0


def _as_json(told: dict[str, Any]) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _replace(path: Path, text: str) -> None:
    """Whoever reads the path sees the old file or the new one, never half of either."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


if __name__ == "__main__":
    sys.exit(main())
