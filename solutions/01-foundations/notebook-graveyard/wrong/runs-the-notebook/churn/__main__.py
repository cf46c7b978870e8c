"""The command line: ``python -m churn train`` and ``python -m churn predict``."""

import argparse
import contextlib
import io
import json
import shutil
import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from churn import notebook

NEEDED = ["customer_id", "plan", "region", "contract", "payment_method", "tenure_months",
          "monthly_fee", "data_gb", "support_calls", "days_since_login"]  # fmt: skip


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
    source = options.data if options.verb == "train" else options.source
    needed = [*NEEDED, "churned"] if options.verb == "train" else NEEDED
    try:
        header = pd.read_csv(source, nrows=0).columns
    except pd.errors.EmptyDataError:
        header = []
    missing = [column for column in needed if column not in header]
    if missing:
        print(f"churn: missing {', '.join(missing)}", file=sys.stderr)
        return 2
    with contextlib.redirect_stdout(io.StringIO()):
        if options.verb == "train":
            run_training(options.data, options.out, options.seed)
        else:
            run_scoring(options.model, options.source, options.out)
    return 0


def run_training(data, out, seed):
    out.mkdir(parents=True, exist_ok=True)
    # Scoring runs the cells again, so the model folder keeps what they were run on.
    shutil.copyfile(data, out / "customers.csv")
    found = notebook.run(paths(out), seed, last=37)
    actual, p = found["y_test"], found["p_test"]
    called = p >= found["THRESH"]
    metrics = {
        "seed": seed,
        "n_train": len(found["X_train"]),
        "n_test": len(found["X_test"]),
        "threshold": float(found["THRESH"]),
        "auc": float(roc_auc_score(actual, p)),
        "precision": float(precision_score(actual, called, zero_division=0)),
        "recall": float(recall_score(actual, called)),
    }
    (out / "metrics.json").write_text(json.dumps(metrics))
    fold = pd.Series("train", index=found["df"].index)
    fold[found["X_test"].index] = "test"
    found["df"][["customer_id"]].assign(fold=fold).to_csv(out / "split.csv", index=False)


def run_scoring(model, source, out):
    out.parent.mkdir(parents=True, exist_ok=True)
    seed = json.loads((model / "metrics.json").read_text())["seed"]
    files = {"data/new_signups.csv": source, "out/new_signups_scored.csv": str(out)}
    found = notebook.run(paths(model) | files, seed, last=42)
    unseen = {
        column: int((~found["new"][column].isin(found["df"][column])).sum())
        for column in found["cat_cols"]
    }
    report = {"rows": len(found["new"]), "unseen_cells": sum(unseen.values()), "unseen": unseen}
    Path(f"{out}.report.json").write_text(json.dumps(report))


def paths(model):
    return {
        "data/customers_march.csv": str(model / "customers.csv"),
        "models/model_v3_final.pkl": str(model / "model.pkl"),
        "out/call_list.csv": str(model / "call_list.csv"),
    }


if __name__ == "__main__":
    sys.exit(main())
