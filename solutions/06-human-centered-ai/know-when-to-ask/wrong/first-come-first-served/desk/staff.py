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
    return (-int(letter["waiting_days"]), letter["letter"])


def doubt(letter: Mapping[str, str], reason: str, policy: Mapping[str, Any]) -> float:
    """How often proposals of this site at about this confidence were wrong."""
    if reason == "unfamiliar":
        return 1.0
    bands = policy["sites"][letter["site"]]["bands"]
    return float(np.interp(float(letter["confidence"]), bands["tops"], bands["rates"]))


def bands(confidence: np.ndarray, wrong: np.ndarray) -> dict[str, list[float]]:
    """The highest confidence of each band and its error rate, from unsure to sure."""
    parts = [part for part in np.array_split(np.argsort(confidence), BANDS) if len(part)]
    rates = [wrong[part].mean() for part in parts]
    # A surer band is no worse than the one below it; where it looks so, that is chance.
    rates = np.maximum.accumulate(rates[::-1])[::-1]
    return {"tops": [float(confidence[part].max()) for part in parts], "rates": rates.tolist()}
