"""From verdicts to the figures that the release meeting reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from compare.decision import decide
from compare.interval import estimate
from compare.items import Item
from compare.length import length_check
from compare.verdicts import FAILED, REFUSED, UNPARSED, VERDICTS

BASELINE_FIRST = {"A": "baseline", "B": "candidate", "tie": "tie"}
CANDIDATE_FIRST = {"A": "candidate", "B": "baseline", "tie": "tie"}
SCORES = {"candidate": 1.0, "baseline": 0.0, "tie": 0.5}


def summarise(items: Sequence[Item], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """`pairs` are the verdicts with the baseline's answer first, and with the candidate's."""
    unscored = dict.fromkeys((UNPARSED, REFUSED, FAILED), 0)
    winners: list[tuple[Item, str]] = []
    inconsistent = firsts = seconds = 0
    for item, pair in zip(items, pairs, strict=True):
        missing = [verdict for verdict in pair if verdict not in VERDICTS]
        if missing:
            unscored[missing[0]] += 1
            continue
        firsts += pair.count("A")
        seconds += pair.count("B")
        one, other = BASELINE_FIRST[pair[0]], CANDIDATE_FIRST[pair[1]]
        inconsistent += one != other
        winners.append((item, "tie"))

    scores = [SCORES[winner] for _, winner in winners]
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
