"""A look at the passages of a file: ``python -m splitter manual.md``."""

import argparse
from pathlib import Path

from splitter import chunk
from splitter.size import tokens


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m splitter", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--overlap", type=int, default=32)
    options = parser.parse_args()
    text = options.file.read_bytes().decode()
    for passage in chunk(text, options.max_tokens, options.overlap):
        place = f"{passage['start']:>6} to {passage['end']:>6}, {tokens(passage['text']):>4} tokens"
        print(f"{place}   {' > '.join(passage['heading'])}\n    {passage['text'][:70]!r}")


if __name__ == "__main__":
    main()
