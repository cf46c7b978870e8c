"""From verdicts to the figures that the release meeting reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from compare.items import Item
from compare.judge import FAILED, REFUSED, UNPARSED, VERDICTS

BASELINE_FIRST = {"A": "baseline", "B": "candidate", "tie": "tie"}
CANDIDATE_FIRST = {"A": "candidate", "B": "baseline", "tie": "tie"}

ENOUGH_ITEMS = 30
ENOUGH_SHARE = 0.8
ENOUGH_FOR_LENGTH = 20
SUSPICIOUS_SHARE = 0.7


def summarise(items: Sequence[Item], one: Sequence[str], other: Sequence[str]) -> dict[str, Any]:
    """`one` are the verdicts with the baseline's answer first, `other` with the candidate's."""
    unscored = dict.fromkeys((UNPARSED, REFUSED, FAILED), 0)
    winners: list[tuple[Item, str]] = []
    inconsistent = firsts = seconds = 0
    for item, *pair in zip(items, one, other, strict=True):
        missing = [verdict for verdict in pair if verdict not in VERDICTS]
        if missing:
            unscored[missing[0]] += 1
            continue
        firsts += pair.count("A")
        seconds += pair.count("B")
        preferred = BASELINE_FIRST[pair[0]], CANDIDATE_FIRST[pair[1]]
        inconsistent += preferred[0] != preferred[1]
        winners.append((item, preferred[0] if preferred[0] == preferred[1] else "tie"))

    scores = [{"candidate": 1.0, "baseline": 0.0, "tie": 0.5}[winner] for _, winner in winners]
    rate, interval = estimate(scores)
    return {
        "items": len(items),
        "scored": len(scores),
        "wins": scores.count(1.0),
        "losses": scores.count(0.0),
        "ties": scores.count(0.5),
        "inconsistent": inconsistent,
        **unscored,
        "win_rate": rate,
        "interval": interval,
        "decision": decide(interval, len(scores), len(items)),
        "first_share": firsts / (firsts + seconds) if firsts + seconds else None,
        "length": length_check(winners),
    }


def estimate(scores: Sequence[float]) -> tuple[float | None, list[float] | None]:
    """Mean and 95 % interval. The item is the unit: its two calls are no two observations."""
    count = len(scores)
    if not count:
        return None, None
    mean = sum(scores) / count
    variance = sum((score - mean) ** 2 for score in scores) / max(count - 1, 1)
    half = 1.96 * math.sqrt(variance / count)
    return mean, [max(0.0, mean - half), min(1.0, mean + half)]


def decide(interval: Sequence[float] | None, scored: int, items: int) -> str:
    if interval is None or scored < ENOUGH_ITEMS or scored < ENOUGH_SHARE * items:
        return "inconclusive"
    low, high = interval
    if low > 0.5:
        return "candidate"
    if high < 0.5:
        return "baseline"
    return "no_difference"


def length_check(winners: Sequence[tuple[Item, str]]) -> dict[str, Any]:
    """How often the longer answer won, where there was a winner and a longer answer."""
    decided = longer_won = 0
    for item, winner in winners:
        more = len(item.candidate) - len(item.baseline)
        if winner != "tie" and more != 0:
            decided += 1
            longer_won += (winner == "candidate") == (more > 0)
    suspicious = decided >= ENOUGH_FOR_LENGTH and longer_won >= SUSPICIOUS_SHARE * decided
    return {"decided": decided, "longer_won": longer_won, "suspicious": suspicious}
