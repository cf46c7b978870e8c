"""The panel and its spec."""

import json
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Spec:
    """What the columns of a panel are, and how it is to be cut."""

    target: str
    id: str
    group: str | None = None
    time: str | None = None
    folds: int = 5
    select: int = 20
    seed: int = 17


def read_spec(path: str) -> Spec:
    with open(path) as stream:
        return Spec(**json.load(stream))


def read_panel(path: str) -> pd.DataFrame:
    panel = pd.read_csv(path)
    # The export repeats samples that were sent in twice.
    return panel.drop_duplicates(ignore_index=True)


def is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)
