"""The recipe by hand: every parameter is a number or a text in model.json."""

import hashlib
import math

import numpy as np

from churn.rows import CATEGORICAL, NUMERIC


def fit(rows, seed):
    rows = sorted(rows, key=lambda row: row["customer_id"])
    # The fifth of the customers whose digests are smallest.
    ranked = sorted(
        (row["customer_id"] for row in rows),
        key=lambda customer: hashlib.md5(f"{customer}/{seed}".encode()).digest(),
    )
    held_out = set(ranked[: len(rows) // 5])
    inside = [row for row in rows if row["customer_id"] not in held_out]
    outside = [row for row in rows if row["customer_id"] in held_out]

    model = {"numeric": {}, "levels": {}}
    for column in NUMERIC:
        median = float(np.median([row[column] for row in inside if row[column] is not None]))
        filled = [median if row[column] is None else row[column] for row in inside]
        model["numeric"][column] = [median, float(np.mean(filled)), float(np.std(filled)) or 1.0]
    for column in CATEGORICAL:
        model["levels"][column] = sorted({row[column] for row in inside})
    x = design(model, inside)
    model["weights"] = newton(x, np.array([row["churned"] for row in inside])).tolist()
    fitted = probabilities(model, inside)
    model["threshold"] = sorted(fitted)[-math.ceil(len(fitted) / 8)]

    actual = np.array([row["churned"] for row in outside]) == 1
    probability = np.array(probabilities(model, outside))
    called = probability >= model["threshold"]
    hits = int((called & actual).sum())
    pairs = probability[actual][:, None] - probability[~actual][None, :]
    metrics = {
        "seed": seed,
        "n_train": len(inside),
        "n_test": len(outside),
        "threshold": model["threshold"],
        "auc": float(((pairs > 0) + 0.5 * (pairs == 0)).mean()),
        "precision": hits / max(int(called.sum()), 1),
        "recall": hits / max(int(actual.sum()), 1),
    }
    split = [
        (row["customer_id"], "test" if row["customer_id"] in held_out else "train") for row in rows
    ]
    return model, metrics, split


def design(model, rows):
    columns = [np.ones(len(rows))]
    for column, (median, mean, scale) in model["numeric"].items():
        values = [median if row[column] is None else row[column] for row in rows]
        columns.append((np.array(values, dtype=float) - mean) / scale)
    for column, levels in model["levels"].items():
        columns.extend(
            np.array([row[column] == level for row in rows], dtype=float) for level in levels
        )
    return np.column_stack(columns)


def newton(x, y):
    """The weights that LogisticRegression(C=1) looks for; the intercept carries no penalty."""
    penalty = np.ones(x.shape[1])
    penalty[0] = 0.0
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-(x @ weights)))
        gradient = x.T @ (p - y) + penalty * weights
        hessian = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def probabilities(model, rows):
    # Summed row by row in one fixed order: a row's bits do not depend on its neighbours.
    logits = (design(model, rows) * np.array(model["weights"])).sum(axis=1)
    return (1 / (1 + np.exp(-logits))).tolist()


def score(model, rows):
    scores = [
        (row["customer_id"], p, int(p >= model["threshold"]))
        for row, p in zip(rows, probabilities(model, rows), strict=True)
    ]
    unseen = {
        column: sum(row[column] not in levels for row in rows)
        for column, levels in model["levels"].items()
    }
    report = {"rows": len(rows), "unseen_cells": sum(unseen.values()), "unseen": unseen}
    return scores, report
