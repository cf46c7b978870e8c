"""The command line: ``python -m loader --in DIR --manifest FILE --out DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from loader import delivery, manifest, store

UNUSABLE, DISAGREES = 2, 4


def main(argv: Sequence[str] | None = None) -> int:
    """Load one delivery, all of it or nothing, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loader", description=__doc__)
    parser.add_argument("--in", dest="source", type=Path, required=True, help="the drop folder")
    parser.add_argument("--manifest", type=Path, required=True, help="what should be in it")
    parser.add_argument("--out", type=Path, required=True, help="where readers look")
    options = parser.parse_args(argv)
    try:
        promised = manifest.read(options.manifest)
        files = delivery.reconcile(promised, options.source)
        if late := store.late(options.out, promised.delivery, files):
            raise delivery.Disagrees([f"{name}: its day is closed" for name in late])
    except manifest.Unusable as trouble:
        print(f"loader: {trouble}", file=sys.stderr)
        return UNUSABLE
    except delivery.Disagrees as trouble:
        for line in trouble.complaints:
            print(f"loader: {line}", file=sys.stderr)
        print(f"loader: nothing of delivery {promised.delivery} is published", file=sys.stderr)
        return DISAGREES
    store.publish(options.out, promised.delivery, files)
    return 0


if __name__ == "__main__":
    sys.exit(main())
