"""Scoring a file of customers and reporting what the model had never seen."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from churn.model import Model
from churn.table import CATEGORICAL, ID


@dataclass(frozen=True)
class Scores:
    rows: pd.DataFrame
    unseen: dict[str, int]


def score(model: Model, customers: pd.DataFrame) -> Scores:
    probability = model.probabilities(customers)
    rows = pd.DataFrame(
        {
            ID: customers[ID],
            "churn_probability": probability,
            "call": (probability >= model.threshold).astype(int),
        }
    )
    seen = model.categories()
    unseen = {c: int((~customers[c].isin(seen[c])).sum()) for c in CATEGORICAL}
    return Scores(rows, unseen)


def write(scores: Scores, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "rows": len(scores.rows),
        "unseen_cells": sum(scores.unseen.values()),
        "unseen": scores.unseen,
    }
    _replace(out, scores.rows.to_csv(index=False))
    _replace(out.with_name(out.name + ".report.json"), json.dumps(report) + "\n")


def _replace(path: Path, text: str) -> None:
    """Whoever reads the path sees the old file or the new one, never half of either."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(text)
    os.replace(draft, path)
