"""The command line: ``python -m churn train`` and ``python -m churn predict``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from churn import model, scoring, table

REFUSED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m churn", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)

    train = verbs.add_parser("train", help="fit a model on labelled customers")
    train.add_argument("--data", type=Path, required=True, help="CSV with a churned column")
    train.add_argument("--out", type=Path, required=True, help="folder for the model")
    train.add_argument("--seed", type=int, default=17, help="draws the split (default: 17)")

    predict = verbs.add_parser("predict", help="score customers with a trained model")
    predict.add_argument("--model", type=Path, required=True, help="folder written by train")
    predict.add_argument("--in", dest="source", type=Path, required=True, help="CSV to score")
    predict.add_argument("--out", type=Path, required=True, help="CSV for the scores")

    options = parser.parse_args(argv)
    try:
        if options.verb == "train":
            customers = table.read(options.data, labelled=True)
            model.save(model.train(customers, options.seed), options.out)
        else:
            fitted = model.load(options.model)
            customers = table.read(options.source)
            scoring.write(scoring.score(fitted, customers), options.out)
    except (table.Refused, FileNotFoundError) as refusal:
        print(f"churn: {refusal}", file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
