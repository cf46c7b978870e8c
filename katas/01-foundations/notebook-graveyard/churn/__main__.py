"""The command line: ``python -m churn train`` and ``python -m churn predict``."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from churn import notebook


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m churn", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)

    train = verbs.add_parser("train", help="fit a model on labelled customers")
    train.add_argument("--data", required=True, help="CSV with a churned column")
    train.add_argument("--out", required=True, help="folder for the model")
    train.add_argument("--seed", type=int, default=17, help="draws the split (default: 17)")

    predict = verbs.add_parser("predict", help="score customers with a trained model")
    predict.add_argument("--model", required=True, help="folder written by train")
    predict.add_argument("--in", dest="source", required=True, help="CSV to score")
    predict.add_argument("--out", required=True, help="CSV for the scores")

    options = parser.parse_args(argv)
    try:
        if options.verb == "train":
            run_training(options.data, options.out)
        else:
            run_scoring(options.model, options.source, options.out)
    except notebook.CellFailed as failure:
        print(f"churn: {failure}", file=sys.stderr)
        return 1
    return 0


def run_training(data: str, out: str) -> None:
    os.makedirs(out, exist_ok=True)
    paths = {
        "data/customers_march.csv": data,
        "models/model_v3_final.pkl": f"{out}/model.pkl",
        "out/call_list.csv": f"{out}/call_list.csv",
    }
    variables = notebook.run(paths, last=37)
    metrics = variables["results"][0] | {"threshold": variables["THRESH"]}
    with open(f"{out}/metrics.json", "w") as stream:
        json.dump(metrics, stream)
    with open(f"{out}/training_data.txt", "w") as stream:
        stream.write(os.path.abspath(data))


def run_scoring(model: str, source: str, out: str) -> None:
    with open(f"{model}/training_data.txt") as stream:
        data = stream.read()
    paths = {
        "data/customers_march.csv": data,
        "models/model_v3_final.pkl": f"{model}/model.pkl",
        "out/call_list.csv": f"{model}/call_list.csv",
        "data/new_signups.csv": source,
        "out/new_signups_scored.csv": out,
    }
    notebook.run(paths, last=42)


if __name__ == "__main__":
    sys.exit(main())
