"""One model for each fold, everything in it learnt from that fold's train rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from evaluate import folds, leaks
from evaluate.table import Refused, Spec, is_number


def evaluate(panel: pd.DataFrame, spec: Spec) -> dict[str, Any]:
    """The report: which columns were used, what each fold was made of, and how well it went."""
    labels = panel[spec.target]
    excluded = {column: role for role, column in spec.named.items() if role != "target"}
    # A copy lies in one piece; as read, each of a thousand columns is a piece of its own, and slow.
    features = panel.drop(columns=list(spec.named.values())).copy()
    if leaky := leaks.find(features, labels):
        raise Refused(f"these columns hold the label: {', '.join(leaky)}")
    features = features[[column for column in features.columns if column not in excluded]]

    results = []
    for fold in folds.make(panel, spec):
        model = recipe(features, spec)
        model.fit(features.iloc[fold.train], labels.iloc[fold.train])
        predicted = model.predict_proba(features.iloc[fold.test])[:, 1]
        results.append(
            {
                "auc": float(roc_auc_score(labels.iloc[fold.test], predicted)),
                "train": panel[spec.id].iloc[fold.train].tolist(),
                "test": panel[spec.id].iloc[fold.test].tolist(),
                "predicted": predicted.tolist(),
            }
        )
    return {
        "seed": spec.seed,
        "mean": float(np.mean([result["auc"] for result in results])),
        "features": features.columns.tolist(),
        "excluded": [{"column": name, "reason": why} for name, why in excluded.items()],
        "folds": results,
    }


def recipe(features: pd.DataFrame, spec: Spec) -> Pipeline:
    """The team's recipe, unfitted: encode, fill, scale, select, fit."""
    numbers = [name for name, column in features.items() if is_number(column)]
    texts = [name for name in features.columns if name not in numbers]
    encode = TargetEncoder(random_state=spec.seed)
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    return Pipeline(
        [
            ("columns", ColumnTransformer([("numbers", fill, numbers), ("texts", encode, texts)])),
            ("scale", StandardScaler()),
            ("select", SelectKBest(f_classif, k=min(spec.select, features.shape[1]))),
            ("fit", LogisticRegression()),
        ]
    )
