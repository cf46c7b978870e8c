"""churn.ipynb, exported as a script; paths are arguments now."""

import argparse
import json
import os
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")

cat_cols = ["plan", "region", "contract", "payment_method"]
num_cols = ["tenure_months", "monthly_fee", "data_gb", "support_calls", "days_since_login"]
THRESH = 0.3611


def train(data, out, seed):
    np.random.seed(seed)

    # In[3]
    df = pd.read_csv(data, dtype={"customer_id": str})
    print(df.shape)

    # In[6]
    missing = pd.DataFrame({"missing": df.isna().sum(), "share": df.isna().mean().round(3)})
    print(missing[missing["missing"] > 0])

    # In[18]
    df[num_cols] = df[num_cols].fillna(df[num_cols].median())

    # In[7]
    print("churn rate", round(df["churned"].mean(), 4))
    print(df.groupby("contract")["churned"].agg(["mean", "count"]).round(3))

    # In[9]
    for col in ["plan", "region", "payment_method"]:
        table = pd.crosstab(df[col], df["churned"], normalize="index")
        print(col)
        print(table.round(3))

    # In[12]
    corr = df[[*num_cols, "churned"]].corr()
    print(corr["churned"].sort_values().round(3))

    # In[19]
    dummies = pd.get_dummies(df[cat_cols], dtype=float)
    X = pd.concat([df[num_cols], dummies], axis=1)

    # In[20]
    scaler = StandardScaler()
    X[num_cols] = scaler.fit_transform(X[num_cols])

    # In[17]
    y = df["churned"]

    # In[21]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)

    # In[22]
    clf = LogisticRegression(C=1.0, max_iter=1000)
    clf.fit(X_train, y_train)

    # In[33]
    p_train = clf.predict_proba(X_train)[:, 1]
    p_test = clf.predict_proba(X_test)[:, 1]
    print("train", round((p_train >= THRESH).mean(), 4))
    print("test", round((p_test >= THRESH).mean(), 4))

    # In[35]
    called = (p_test >= THRESH).astype(int)
    metrics = {
        "seed": seed,
        "n_train": len(X_train),
        "n_test": len(X_test),
        "threshold": THRESH,
        "auc": roc_auc_score(y_test, p_test),
        "precision": precision_score(y_test, called, zero_division=0),
        "recall": recall_score(y_test, called),
    }

    # In[37]
    os.makedirs(out, exist_ok=True)
    levels = {col: sorted(df[col].unique()) for col in cat_cols}
    joblib.dump((clf, scaler, list(X.columns), levels), os.path.join(out, "model_v3_final.pkl"))
    df["fold"] = "train"
    df.loc[X_test.index, "fold"] = "test"
    df[["customer_id", "fold"]].to_csv(os.path.join(out, "split.csv"), index=False)
    with open(os.path.join(out, "metrics.json"), "w") as stream:
        json.dump(metrics, stream)


def predict(model, source, out):
    clf, _, columns, levels = joblib.load(os.path.join(model, "model_v3_final.pkl"))

    # In[42]
    new = pd.read_csv(source, dtype={"customer_id": str})
    new[num_cols] = new[num_cols].fillna(new[num_cols].median()).fillna(0)
    new_X = pd.concat([new[num_cols], pd.get_dummies(new[cat_cols], dtype=float)], axis=1)
    new_X[num_cols] = StandardScaler().fit_transform(new_X[num_cols])
    new_X = new_X.reindex(columns=columns, fill_value=0)
    new["churn_probability"] = clf.predict_proba(new_X)[:, 1]
    new["call"] = (new["churn_probability"] >= THRESH).astype(int)
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    new[["customer_id", "churn_probability", "call"]].to_csv(out, index=False)
    unseen = {col: int((~new[col].isin(levels[col])).sum()) for col in cat_cols}
    with open(out + ".report.json", "w") as stream:
        report = {"rows": len(new), "unseen_cells": sum(unseen.values()), "unseen": unseen}
        json.dump(report, stream)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m churn")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("train")
    verb.add_argument("--data", required=True)
    verb.add_argument("--out", required=True)
    verb.add_argument("--seed", type=int, default=17)
    verb = verbs.add_parser("predict")
    verb.add_argument("--model", required=True)
    verb.add_argument("--in", dest="source", required=True)
    verb.add_argument("--out", required=True)
    options = parser.parse_args(argv)
    if options.verb == "train":
        train(options.data, options.out, options.seed)
    else:
        predict(options.model, options.source, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
