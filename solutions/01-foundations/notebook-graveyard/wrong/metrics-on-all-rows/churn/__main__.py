"""The command line: ``python -m churn train`` and ``python -m churn predict``."""

import argparse
import json
import math
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

CATEGORICAL = ["plan", "region", "contract", "payment_method"]
NUMERIC = ["tenure_months", "monthly_fee", "data_gb", "support_calls", "days_since_login"]
FEATURES = CATEGORICAL + NUMERIC


class Refused(Exception):
    """The input cannot be used."""


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m churn", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train_parser = verbs.add_parser("train")
    train_parser.add_argument("--data", required=True)
    train_parser.add_argument("--out", required=True)
    train_parser.add_argument("--seed", type=int, default=17)
    predict_parser = verbs.add_parser("predict")
    predict_parser.add_argument("--model", required=True)
    predict_parser.add_argument("--in", dest="source", required=True)
    predict_parser.add_argument("--out", required=True)
    options = parser.parse_args(argv)
    try:
        if options.verb == "train":
            train(options.data, Path(options.out), options.seed)
        else:
            predict(Path(options.model), options.source, Path(options.out))
    except Refused as refusal:
        print(f"churn: {refusal}", file=sys.stderr)
        return 2
    return 0


def read(path, columns):
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame()
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise Refused(f"missing columns: {', '.join(missing)}")
    frame = frame[columns].copy()
    for column in NUMERIC:
        numbers = pd.to_numeric(frame[column], errors="coerce").astype(float)
        if ((frame[column] != "") & ~np.isfinite(numbers)).any():
            raise Refused(f"column {column} has cells that are not numbers")
        frame[column] = numbers
    return frame


def build():
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), CATEGORICAL),
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMERIC),
        ),
        LogisticRegression(C=1.0, max_iter=1000),
    )


def train(data, out, seed):
    frame = read(data, ["customer_id", *FEATURES, "churned"])
    frame = frame.sort_values("customer_id", ignore_index=True)
    labels = frame["churned"].astype(int)
    inside, outside = train_test_split(frame.index, test_size=0.2, random_state=seed)

    model = build().fit(frame.loc[inside, FEATURES], labels[inside])
    fitted = np.sort(model.predict_proba(frame.loc[inside, FEATURES])[:, 1])
    threshold = float(fitted[-math.ceil(len(fitted) / 8)])

    probability = model.predict_proba(frame[FEATURES])[:, 1]
    called = probability >= threshold
    metrics = {
        "seed": seed,
        "n_train": len(inside),
        "n_test": len(outside),
        "threshold": threshold,
        "auc": float(roc_auc_score(labels, probability)),
        "precision": float(precision_score(labels, called, zero_division=0)),
        "recall": float(recall_score(labels, called, zero_division=0)),
    }
    fold = pd.Series("train", index=frame.index)
    fold[outside] = "test"

    out.mkdir(parents=True, exist_ok=True)
    joblib.dump((model, threshold), out / "model.joblib")
    (out / "metrics.json").write_text(json.dumps(metrics))
    frame[["customer_id"]].assign(fold=fold).to_csv(out / "split.csv", index=False)


def predict(folder, source, out):
    frame = read(source, ["customer_id", *FEATURES])
    model, threshold = joblib.load(folder / "model.joblib")
    probability = model.predict_proba(frame[FEATURES])[:, 1] if len(frame) else np.empty(0)
    scores = frame[["customer_id"]].assign(
        churn_probability=probability, call=(probability >= threshold).astype(int)
    )
    seen = model[0].named_transformers_["onehotencoder"].categories_
    unseen = {
        column: int((~frame[column].isin(known)).sum())
        for column, known in zip(CATEGORICAL, seen, strict=True)
    }
    report = {"rows": len(frame), "unseen_cells": sum(unseen.values()), "unseen": unseen}
    out.parent.mkdir(parents=True, exist_ok=True)
    scores.to_csv(out, index=False)
    Path(f"{out}.report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    sys.exit(main())
