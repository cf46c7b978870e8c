"""The command line: ``python -m churn train`` and ``python -m churn predict``."""

import argparse
import json
import sys
from pathlib import Path

from churn.rows import Refused, read, write
from churn.regression import fit, score


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m churn", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train")
    train.add_argument("--data", required=True)
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--seed", type=int, default=17)
    predict = verbs.add_parser("predict")
    predict.add_argument("--model", type=Path, required=True)
    predict.add_argument("--in", dest="source", required=True)
    predict.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        if options.verb == "train":
            model, metrics, split = fit(read(options.data, labelled=True), options.seed)
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / "model.json").write_text(json.dumps(model))
            (options.out / "metrics.json").write_text(json.dumps(metrics))
            write(options.out / "split.csv", ["customer_id", "fold"], split)
        else:
            model = json.loads((options.model / "model.json").read_text())
            scores, report = score(model, read(options.source))
            options.out.parent.mkdir(parents=True, exist_ok=True)
            write(options.out, ["customer_id", "churn_probability", "call"], scores)
            Path(f"{options.out}.report.json").write_text(json.dumps(report))
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
