"""The model: split, recipe, threshold, metrics, and the folder that holds them."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_score, recall_score, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from churn.table import CATEGORICAL, ID, LABEL, NUMERIC

TEST_SHARE = 0.2
CALL_SHARE = 0.125  # the retention team can call one customer in eight


@dataclass(frozen=True)
class Model:
    """A fitted recipe with the threshold that belongs to it."""

    pipeline: Pipeline
    threshold: float

    def probabilities(self, customers: pd.DataFrame) -> np.ndarray:
        if customers.empty:
            return np.empty(0)
        return self.pipeline.predict_proba(customers[CATEGORICAL + NUMERIC])[:, 1]

    def categories(self) -> dict[str, set[str]]:
        """The categories of the train fold, by column."""
        encoder = self.pipeline.named_steps["columns"].named_transformers_["categorical"]
        return {c: set(seen) for c, seen in zip(CATEGORICAL, encoder.categories_, strict=True)}


@dataclass(frozen=True)
class Training:
    """What one training leaves behind."""

    model: Model
    metrics: dict[str, Any]
    split: pd.DataFrame


def train(customers: pd.DataFrame, seed: int) -> Training:
    # In a fixed order, so that the optimiser adds up the same numbers however the file was sorted.
    customers = customers.sort_values(ID)
    fold = customers[ID].map(lambda customer: _fold(customer, seed))
    inside, outside = customers[fold == "train"], customers[fold == "test"]

    pipeline = _recipe()
    pipeline.fit(inside[CATEGORICAL + NUMERIC], inside[LABEL].astype(int))
    # The threshold is part of the model, so the test fold has no say in it either.
    unfinished = Model(pipeline, math.nan)
    model = replace(unfinished, threshold=_threshold(unfinished.probabilities(inside)))

    actual, probability = outside[LABEL].astype(int), model.probabilities(outside)
    called = probability >= model.threshold
    metrics = {
        "seed": seed,
        "n_train": len(inside),
        "n_test": len(outside),
        "threshold": model.threshold,
        "auc": float(roc_auc_score(actual, probability)),
        "precision": float(precision_score(actual, called, zero_division=0)),
        "recall": float(recall_score(actual, called)),
    }
    return Training(model, metrics, pd.DataFrame({ID: customers[ID], "fold": fold}))


def _fold(customer: str, seed: int) -> str:
    """From the id alone: a customer stays in its fold when others come and go."""
    digest = hashlib.sha256(f"{seed}:{customer}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") / 2**64 < TEST_SHARE else "train"


def _recipe() -> Pipeline:
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [
            ("categorical", OneHotEncoder(handle_unknown="ignore"), CATEGORICAL),
            ("numeric", numeric, NUMERIC),
        ]
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression(max_iter=1000))])


def _threshold(probability: np.ndarray) -> float:
    calls = math.ceil(CALL_SHARE * len(probability))
    return float(np.sort(probability)[-calls])


def save(training: Training, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stored = {"pipeline": training.model.pipeline, "threshold": training.model.threshold}
    joblib.dump(stored, folder / "model.joblib")
    training.split.to_csv(folder / "split.csv", index=False)
    (folder / "metrics.json").write_text(json.dumps(training.metrics, indent=2) + "\n")


def load(folder: Path) -> Model:
    # Plain scikit-learn objects and a float: nothing that only __main__ could unpickle.
    return Model(**joblib.load(folder / "model.joblib"))
