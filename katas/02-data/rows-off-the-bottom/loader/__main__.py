"""The command line: ``python -m loader --in DIR --manifest FILE --out DIR``."""

import argparse
import sys
import time
from pathlib import Path

from loader import manifest, publish, reading

ATTEMPTS = 3
PAUSE = 0.2  # the share is slow in the morning


def load(source: Path, promised: manifest.Manifest, out: Path) -> int:
    for entry in promised.files:
        frame = reading.read(source / entry.name)
        publish.append(out, promised.delivery, entry, frame)
    publish.switch(out)
    return publish.check(out, promised)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m loader", description=__doc__)
    parser.add_argument("--in", dest="source", type=Path, required=True, help="the drop folder")
    parser.add_argument("--manifest", type=Path, required=True, help="what should be in it")
    parser.add_argument("--out", type=Path, required=True, help="where readers look")
    options = parser.parse_args(argv)

    promised = manifest.read(options.manifest)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return load(options.source, promised, options.out)
        except Exception as error:
            print(f"loader: attempt {attempt} of {ATTEMPTS}: {error}", file=sys.stderr)
            time.sleep(PAUSE)
    return 1


if __name__ == "__main__":
    sys.exit(main())
