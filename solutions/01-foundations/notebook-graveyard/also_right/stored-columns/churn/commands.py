"""Close to the notebook: get_dummies, but against the columns that training stored."""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd

CATEGORICAL = ["plan", "region", "contract", "payment_method"]
NUMERIC = ["tenure_months", "monthly_fee", "data_gb", "support_calls", "days_since_login"]


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m churn")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("train")
    verb.add_argument("--data", required=True)
    verb.add_argument("--out", required=True)
    verb.add_argument("--seed", type=int, default=17)
    verb.set_defaults(run=train)
    verb = verbs.add_parser("predict")
    verb.add_argument("--model", required=True)
    verb.add_argument("--in", dest="source", required=True)
    verb.add_argument("--out", required=True)
    verb.set_defaults(run=predict)
    options = parser.parse_args(argv)
    return options.run(options)


def load(path, *more):
    """The frame and None, or None and what is wrong with the file."""
    wanted = ["customer_id", *CATEGORICAL, *NUMERIC, *more]
    try:
        frame = pd.read_csv(path, dtype=str, na_filter=False)
    except pd.errors.EmptyDataError:
        return None, f"{path} is empty: no column customer_id"
    for column in wanted:
        if column not in frame:
            return None, f"{path} has no column {column}"
    frame = frame[wanted].set_index("customer_id")
    for column in NUMERIC:
        cells = frame[column].where(frame[column] != "", "0")
        numbers = pd.to_numeric(cells, errors="coerce")
        if not np.isfinite(numbers.astype(float)).all():
            return None, f"{path}: {column} has something that is not a number"
        frame[column] = numbers.astype(float).where(frame[column] != "")
    return frame, None


def encode(frame, model):
    numbers = frame[NUMERIC].fillna(model["median"])
    numbers = (numbers - pd.Series(model["mean"])) / pd.Series(model["scale"])
    dummies = pd.get_dummies(frame[CATEGORICAL].astype(str), prefix_sep="=", dtype=float)
    return pd.concat([numbers, dummies], axis=1).reindex(columns=model["columns"], fill_value=0.0)


def probability(frame, model):
    if frame.empty:
        return pd.Series(dtype=float)
    logit = encode(frame, model).to_numpy() @ np.array(model["weights"]) + model["intercept"]
    return pd.Series(1 / (1 + np.exp(-logit)), index=frame.index)


def train(options):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    frame, problem = load(options.data, "churned")
    if problem:
        print(problem, file=sys.stderr)
        return 2
    frame = frame.sort_index()
    label = frame.pop("churned").astype(int)
    order = np.random.default_rng(options.seed).permutation(len(frame))
    fold = pd.Series("train", index=frame.index)
    fold.iloc[order[: len(frame) // 5]] = "test"
    inside, outside = frame[fold == "train"], frame[fold == "test"]

    median = inside[NUMERIC].median()
    filled = inside[NUMERIC].fillna(median)
    columns = [
        f"{column}={value}" for column in CATEGORICAL for value in sorted(set(inside[column]))
    ]
    model = {
        "median": median.to_dict(),
        "mean": filled.mean().to_dict(),
        "scale": filled.std(ddof=0).to_dict(),
        "columns": NUMERIC + columns,
    }
    regression = LogisticRegression(C=1.0, max_iter=1000)
    regression.fit(encode(inside, model), label[fold == "train"])
    model["weights"] = regression.coef_[0].tolist()
    model["intercept"] = float(regression.intercept_[0])
    calls = math.ceil(len(inside) / 8)
    model["threshold"] = float(probability(inside, model).nlargest(calls).iloc[-1])

    actual, p = label[fold == "test"], probability(outside, model)
    called = p >= model["threshold"]
    hits = int((called & (actual == 1)).sum())
    metrics = {
        "seed": options.seed,
        "n_train": len(inside),
        "n_test": len(outside),
        "threshold": model["threshold"],
        "auc": float(roc_auc_score(actual, p)),
        "precision": hits / int(called.sum()) if called.any() else 0.0,
        "recall": hits / int(actual.sum()),
    }
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.json").write_text(json.dumps(model, indent=1))
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1))
    fold.rename("fold").to_csv(out / "split.csv")
    return 0


def predict(options):
    model = json.loads((Path(options.model) / "model.json").read_text())
    frame, problem = load(options.source)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    p = probability(frame, model)
    unseen = {
        column: int((~(column + "=" + frame[column]).isin(model["columns"])).sum())
        for column in CATEGORICAL
    }
    report = {"rows": len(frame), "unseen_cells": sum(unseen.values()), "unseen": unseen}
    scores = pd.DataFrame(
        {
            "customer_id": frame.index,
            "churn_probability": p.to_numpy(),
            "call": (p >= model["threshold"]).astype(int).to_numpy(),
        }
    )
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    scores.to_csv(out, index=False)
    out.with_name(out.name + ".report.json").write_text(json.dumps(report))
    return 0
