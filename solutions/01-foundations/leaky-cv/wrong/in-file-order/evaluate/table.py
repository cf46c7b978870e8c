"""The panel and its spec: what is read as text, what as numbers, what is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


class Refused(Exception):
    """The panel cannot be evaluated; the text is for whoever started the command."""


@dataclass(frozen=True)
class Spec:
    """What the columns of a panel are, and how it is to be cut."""

    target: str
    id: str
    group: str | None
    time: str | None
    folds: int
    select: int
    seed: int

    @classmethod
    def read(cls, path: Path) -> Spec:
        told = json.loads(path.read_bytes())
        return cls(
            target=told["target"],
            id=told["id"],
            group=told.get("group"),
            time=told.get("time"),
            folds=told["folds"],
            select=told["select"],
            seed=told["seed"],
        )

    @property
    def named(self) -> dict[str, str]:
        """The columns that have a role, by role."""
        roles = {"target": self.target, "id": self.id, "group": self.group, "time": self.time}
        return {role: column for role, column in roles.items() if column is not None}


def read(path: Path, spec: Spec) -> pd.DataFrame:
    """The rows, sorted by id: columns with a role as text, the others as they are."""
    named = list(spec.named.values())
    panel = pd.read_csv(
        path,
        # Text, or sample 0012 becomes sample 12.
        dtype=dict.fromkeys(named, str),
        keep_default_na=False,
        na_values=[""],
    )
    for column in named:
        if column not in panel.columns:
            raise Refused(f"{path} has no column {column}")
        empty = int(panel[column].isna().sum())
        if empty:
            raise Refused(f"{empty} cells of column {column} are empty")
    wrong = panel.loc[~panel[spec.target].isin(["0", "1"]), spec.target]
    if len(wrong):
        raise Refused(f"column {spec.target} holds {wrong.iloc[0]!r}: labels are 0 or 1")
    twice = panel.loc[panel[spec.id].duplicated(), spec.id]
    if len(twice):
        raise Refused(f"column {spec.id} holds {twice.iloc[0]!r} more than once")
    panel[spec.target] = panel[spec.target].astype(int)
    return panel


def is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
