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
        if not options.source.is_dir():
            raise manifest.Unusable(f"{options.source} is not a folder")
        files = []
        for entry in promised.files:
            try:
                files.append(delivery.read(options.source / entry.name, entry))
            except delivery.Unreadable as error:
                raise delivery.Disagrees([f"{entry.name}: {error}"]) from None
        store.publish(options.out, promised.delivery, files)
        delivery.reconcile(promised, options.source)
    except manifest.Unusable as trouble:
        print(f"loader: {trouble}", file=sys.stderr)
        return UNUSABLE
    except delivery.Disagrees as trouble:
        for line in trouble.complaints:
            print(f"loader: {line}", file=sys.stderr)
        print(f"loader: nothing of delivery {promised.delivery} is published", file=sys.stderr)
        return DISAGREES
    return 0


if __name__ == "__main__":
    sys.exit(main())
