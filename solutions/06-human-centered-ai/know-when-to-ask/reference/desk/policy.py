"""From evidence to a policy: for each site, from what confidence on the assistant may book."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from desk import familiar, staff, threshold
from desk.tables import Evidence, Refused


def fit(rows: Sequence[Evidence], risk: float, capacity: int) -> dict[str, Any]:
    """Each site proves its own threshold, on its own letters."""
    sites = {}
    for site in sorted({row.site for row in rows}):
        sites[site] = fit_site([row for row in rows if row.site == site], risk)
    return {
        "risk": risk,
        "capacity": capacity,
        "feasible": any(facts["feasible"] for facts in sites.values()),
        "sites": sites,
        "known": familiar.known(rows),
    }


def fit_site(rows: Sequence[Evidence], risk: float) -> dict[str, Any]:
    confidence = np.array([row.confidence for row in rows])
    wrong = np.array([row.wrong for row in rows])
    least, bound = threshold.lowest(confidence, wrong, risk) or (None, None)
    auto = confidence >= (np.inf if least is None else least)
    return {
        "letters": len(rows),
        "auto": int(auto.sum()),
        "errors": int(wrong[auto].sum()),
        "bound": bound,
        "feasible": least is not None,
        "threshold": least,
        "bands": staff.bands(confidence, wrong),
    }


def load(path: Path) -> dict[str, Any]:
    """A policy from its file. Without a whole one nothing may be booked, so it is refused."""
    try:
        policy: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for facts in policy["sites"].values():
            _ = facts["threshold"], facts["bands"]
        _ = policy["capacity"], policy["known"]
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{path} is not a policy that fit has written: {error!r}") from error
    return policy
