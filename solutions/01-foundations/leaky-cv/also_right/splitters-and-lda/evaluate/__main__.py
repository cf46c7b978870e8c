"""Everything in one module, with scikit-learn's own splitters."""

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SUSPICIOUS = 0.97


def stop(reason):
    print(f"evaluate: {reason}", file=sys.stderr)
    raise SystemExit(2)


def load(path, spec):
    named = {role: spec.get(role) for role in ("target", "id", "group", "time") if spec.get(role)}
    frame = pd.read_csv(
        path, dtype={c: str for c in named.values()}, keep_default_na=False, na_values=[""]
    )
    for role, column in named.items():
        if column not in frame:
            stop(f"the {role} column {column} is missing")
        if frame[column].isna().any():
            stop(f"the {role} column {column} has empty cells")
    if not set(frame[named["target"]]) <= {"0", "1"}:
        stop(f"{named['target']} must be 0 or 1")
    if not frame[named["id"]].is_unique:
        stop(f"{named['id']} repeats")
    return frame.sort_values(named["id"], ignore_index=True), named


def separates(column, y):
    """Best AUC of value and emptiness; at least 5 known rows of each class for the value."""
    empty = column.isna()
    found = [roc_auc_score(y, empty)]
    if not pd.api.types.is_numeric_dtype(column):
        if column.nunique() > 20:
            column = pd.Series(np.nan, index=column.index)
        else:
            column = column.map(y.groupby(column).mean()).astype(float)
    known = column.notna()
    if min(y[known].sum(), (1 - y[known]).sum()) >= 5:
        found.append(roc_auc_score(y[known], column[known]))
    return max(max(auc, 1 - auc) for auc in found)


def cut(frame, spec, y):
    k = spec["folds"]
    if spec.get("time"):
        days = np.array(sorted(set(frame[spec["time"]])))
        for past, future in TimeSeriesSplit(n_splits=k).split(days):
            train = frame[spec["time"]].isin(days[past])
            test = frame[spec["time"]].isin(days[future])
            if spec.get("group"):
                known = set(frame.loc[train, spec["group"]])
                test &= ~frame[spec["group"]].isin(known)
            yield np.flatnonzero(train), np.flatnonzero(test)
        return
    if spec.get("group"):
        units = frame[spec["group"]]
    else:
        lines = frame.drop(columns=spec["id"]).to_csv(index=False, header=False).splitlines()
        units = pd.Series(pd.factorize(np.array(lines))[0])
    for label in (0, 1):
        if units[y == label].nunique() < k:
            stop(f"too few of class {label} for {k} folds")
    yield from StratifiedGroupKFold(k, shuffle=True, random_state=spec["seed"]).split(
        frame, y, units
    )


def main(argv=None):
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser()
    for option in ("in", "spec", "out"):
        parser.add_argument(f"--{option}", required=True)
    options = vars(parser.parse_args(argv))
    spec = json.loads(Path(options["spec"]).read_text())
    frame, named = load(options["in"], spec)
    y = frame[named["target"]].astype(int)
    X = frame.drop(columns=list(named.values())).copy()
    excluded = {column: role for role, column in named.items() if role != "target"}
    for column in X:
        if separates(X[column], y) > SUSPICIOUS:
            excluded[column] = "leak"
    X = X.drop(columns=[column for column in X if column in excluded])

    folds = []
    for train, test in cut(frame, spec, y):
        model = make_pipeline(
            make_column_transformer(
                (
                    make_pipeline(
                        SimpleImputer(strategy="median", keep_empty_features=True),
                        StandardScaler(),
                    ),
                    make_column_selector(dtype_include="number"),
                ),
                (
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                    make_column_selector(dtype_exclude="number"),
                ),
            ),
            VarianceThreshold(),
            SelectKBest(k=spec["select"]),
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        )
        model.fit(X.iloc[train], y.iloc[train])
        score = model.predict_proba(X.iloc[test])[:, 1]
        if y.iloc[test].nunique() < 2:
            stop("one of the folds has only one class among its test rows")
        folds.append(
            {
                "auc": roc_auc_score(y.iloc[test], score),
                "train": frame[named["id"]].iloc[train].tolist(),
                "test": frame[named["id"]].iloc[test].tolist(),
                "predicted": score.clip(0, 1).tolist(),
            }
        )
    report = {
        "seed": spec["seed"],
        "mean": np.mean([fold["auc"] for fold in folds]),
        "features": list(X),
        "excluded": [{"column": c, "reason": r} for c, r in excluded.items()],
        "folds": folds,
    }
    Path(options["out"]).write_text(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
