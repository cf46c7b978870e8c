"""Who is tested on what."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from evaluate.table import Spec


def make(panel: pd.DataFrame, spec: Spec) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers of train and test, for each fold."""
    # Shuffled: the laboratory exports the relapsed patients first.
    splitter = KFold(n_splits=spec.folds, shuffle=True, random_state=spec.seed)
    yield from splitter.split(panel)
