"""Folds, by filling the emptiest; and by date."""

import numpy as np


def folds(columns, y, spec):
    if spec.get("time") is not None:
        yield from by_date(columns, spec)
        return
    members = {}
    for row, unit in enumerate(units(columns, spec)):
        members.setdefault(unit, []).append(row)
    groups = sorted(members.values(), key=min)
    np.random.default_rng(spec["seed"]).shuffle(groups)
    groups.sort(key=lambda rows: (-int(y[rows].sum()), -len(rows)))
    bins = [[] for _ in range(spec["folds"])]
    for rows in groups:
        if y[rows].any():
            emptiest = min(bins, key=lambda b: (int(y[b].sum()) if b else 0, len(b)))
        else:
            emptiest = min(bins, key=len)
        emptiest.extend(rows)
    everyone = np.arange(len(y))
    for rows in bins:
        test = np.array(sorted(rows), dtype=int)
        yield np.setdiff1d(everyone, test), test


def units(columns, spec):
    if spec.get("group") is not None:
        return columns[spec["group"]]
    return list(zip(*(cells for name, cells in columns.items() if name != spec["id"])))


def by_date(columns, spec):
    when = np.array(columns[spec["time"]])
    who = np.array(columns[spec["group"] if spec.get("group") is not None else spec["id"]])
    line = np.sort(when)
    k = spec["folds"]
    starts = [line[len(line) * i // (k + 1)] for i in range(1, k + 1)]
    for start, end in zip(starts, [*starts[1:], None]):
        inside = when >= start if end is None else (when >= start) & (when < end)
        before = (when < start) & ~np.isin(who, who[inside])
        yield np.flatnonzero(before), np.flatnonzero(inside)
