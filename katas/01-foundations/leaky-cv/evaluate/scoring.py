"""One model for each fold, and the report."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from evaluate import features, folds
from evaluate.table import Spec


def evaluate(panel: pd.DataFrame, spec: Spec) -> dict[str, Any]:
    """Cross-validates the recipe on a panel."""
    labels = panel[spec.target].to_numpy()
    matrix = features.matrix(panel, spec)
    samples = panel[spec.id].astype(str)

    results = []
    for train, test in folds.make(panel, spec):
        model = LogisticRegression(max_iter=1000).fit(matrix[train], labels[train])
        predicted = model.predict_proba(matrix[test])[:, 1]
        results.append(
            {
                "auc": float(roc_auc_score(labels[test], predicted)),
                "train": samples.iloc[train].tolist(),
                "test": samples.iloc[test].tolist(),
                "predicted": predicted.tolist(),
            }
        )
    return {
        "seed": spec.seed,
        # A fold without a case has no AUC.
        "mean": float(np.nanmean([result["auc"] for result in results])),
        "features": features.columns(panel, spec),
        "excluded": [
            {"column": column, "reason": reason}
            for column, reason in ((spec.group, "group"), (spec.time, "time"))
            if column
        ],
        "folds": results,
    }
