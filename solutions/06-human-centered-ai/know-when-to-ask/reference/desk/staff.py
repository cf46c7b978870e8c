"""In what order the nurses read."""

from collections.abc import Mapping
from typing import Any

import numpy as np

#: From so many days on a letter comes before all that came later, whatever it is about.
OVERDUE_DAYS = 7
#: In so many bands of confidence the error rate of a site is told.
BANDS = 8


def urgency(letter: Mapping[str, str], reason: str, policy: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the queue is sorted by: the smallest first."""
    days = int(letter["waiting_days"])
    cost = float(letter["harm"]) * doubt(letter, reason, policy)
    return (-days if days >= OVERDUE_DAYS else 0, -cost, -days, letter["letter"])


def doubt(letter: Mapping[str, str], reason: str, policy: Mapping[str, Any]) -> float:
    """How often proposals of this site at about this confidence were wrong."""
    if reason == "unfamiliar":
        return 1.0
    bands = policy["sites"][letter["site"]]["bands"]
    confidence = float(letter["confidence"])
    rate = next((rate for top, rate in bands if confidence <= top), bands[-1][1])
    # Within a band, the surer letter has a little less doubt.
    return float(rate) + (1 - confidence) * 1e-3


def bands(confidence: np.ndarray, wrong: np.ndarray) -> list[list[float]]:
    """Pairs of confidence (up to this) and error rate, from unsure to sure."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, BANDS) if len(part)]
    rates = [(wrong[part].sum() + 1) / (len(part) + 2) for part in parts]
    # A surer band is no worse than the one below it; where it looks so, that is chance.
    rates = np.maximum.accumulate(rates[::-1])[::-1]
    tops = [confidence[part].max() for part in parts]
    return [[float(top), float(rate)] for top, rate in zip(tops, rates, strict=True)]
