"""Columns from which the label can simply be read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluate.table import is_number

LEAK = 0.75
FEWEST = 5
CATEGORIES = 20


def find(features: pd.DataFrame, labels: pd.Series) -> list[str]:
    """The columns that separate the classes all by themselves, by value or by being empty."""
    positive = labels.to_numpy().astype(bool)
    values = {}
    for name, column in features.items():
        if is_number(column):
            values[name] = column
        elif column.nunique() <= CATEGORIES:
            values[name] = labels.groupby(column).transform("mean").where(column.notna())
    by_value = separation(pd.DataFrame(values, index=features.index), positive)
    by_emptiness = separation(features.isna().astype(float), positive)
    alone = pd.concat([by_value, by_emptiness])
    return alone[alone >= LEAK].index.unique().tolist()


def separation(values: pd.DataFrame, positive: np.ndarray) -> pd.Series:
    """AUC of each column alone, in the better direction; 0.5 where too few rows have a value."""
    known = values.notna()
    cases, others = known[positive].sum(), known[~positive].sum()
    ranks = values.rank()[positive].sum()
    auc = (ranks - cases * (cases + 1) / 2) / (cases * others)
    auc = auc.where((cases >= FEWEST) & (others >= FEWEST), 0.5)
    return np.maximum(auc, 1 - auc)
