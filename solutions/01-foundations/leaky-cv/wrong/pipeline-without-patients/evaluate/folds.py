"""Who is tested on what: folds that keep together what belongs together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluate.table import Refused, Spec


@dataclass(frozen=True)
class Fold:
    """Row numbers of one fold."""

    train: np.ndarray
    test: np.ndarray


def make(panel: pd.DataFrame, spec: Spec) -> list[Fold]:
    """The folds of a panel; Refused when one of them would lack a class."""
    folds = _by_time(panel, spec) if spec.time else _dealt(panel, spec)
    labels = panel[spec.target].to_numpy()
    for fold in folds:
        for side, rows in (("test", fold.test), ("train", fold.train)):
            if len(set(labels[rows])) < 2:
                raise Refused(
                    f"{spec.folds} folds cannot be had: one would have only one class of "
                    f"{spec.target} among its {side} rows"
                )
    return folds


def _dealt(panel: pd.DataFrame, spec: Spec) -> list[Fold]:
    """Deals units out like cards: those without a case, then the mixed ones, then cases only.

    In this order the units with a case lie side by side, and so do those with another row. Dealt
    in turn, each class reaches every fold as soon as it has as many units as there are folds.
    """
    unit = _units(panel, spec)
    units = panel[spec.target].groupby(unit).agg(["max", "min"])
    units["draw"] = [_draw(spec.seed, name) for name in units.index]
    units = units.sort_values(["max", "min", "draw"])
    units["fold"] = np.arange(len(units)) % spec.folds
    fold = unit.map(units["fold"]).to_numpy()
    return [
        Fold(train=np.flatnonzero(fold != k), test=np.flatnonzero(fold == k))
        for k in range(spec.folds)
    ]


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


def _units(panel: pd.DataFrame, spec: Spec) -> pd.Series:
    """What must not be torn apart: a patient; without patients, samples equal but for the id."""
    content = pd.util.hash_pandas_object(panel.drop(columns=spec.id), index=False)
    # Named after an id and not after its content, so that other values deal no other cards.
    return panel[spec.id].groupby(content).transform("min")


def _by_time(panel: pd.DataFrame, spec: Spec) -> list[Fold]:
    """Blocks of about equal size; each but the first is tested on a model of all before it."""
    # The rows of a day share their mean rank, so that no day is torn apart.
    rank = panel[spec.time].rank().to_numpy()
    block = np.ceil(rank * (spec.folds + 1) / len(panel)) - 1
    folds = []
    for k in range(1, spec.folds + 1):
        test, train = block == k, block < k
        if spec.group:
            train &= ~panel[spec.group].isin(panel.loc[test, spec.group]).to_numpy()
        folds.append(Fold(train=np.flatnonzero(train), test=np.flatnonzero(test)))
    return folds
