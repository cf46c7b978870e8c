"""Signs that thumbs do not mean what they seem to mean."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

from feedback.inputs import Account, Log
from feedback.opinions import Opinion

NEW_ACCOUNT = timedelta(hours=48)
WINDOW = timedelta(hours=1)
BRIGADE = 20

AUDITS_NEEDED = 50
SCORE_RISE = 0.05
QUALITY_FALL = 0.10


def brigades(
    held: Iterable[Opinion], people: Mapping[str, Account]
) -> dict[tuple[str, str], set[str]]:
    """Who voted the same way on the same card, fresh from the sign-up, within one hour."""
    fresh = defaultdict(list)
    for each in held:
        if each.vote and each.vote["at"] - people[each.person].joined < NEW_ACCOUNT:
            fresh[each.card, each.value].append((each.vote["at"], each.person))
    found: dict[tuple[str, str], set[str]] = {}
    for (card, _), votes in fresh.items():
        votes.sort()
        first = 0
        for last, (at, _) in enumerate(votes):
            while at - votes[first][0] > WINDOW:
                first += 1
            if last - first + 1 >= BRIGADE:
                members = found.setdefault(card, set())
                members.update(person for _, person in votes[first : last + 1])
    return found


def alarms(scores: Iterable[Mapping[str, Any]], log: Log) -> list[dict[str, str]]:
    """Models that please more than the one before, and are worse."""
    points: dict[str, float] = defaultdict(float)
    people: dict[str, int] = defaultdict(int)
    for row in scores:
        points[row["model"]] += row["score"] * row["people"]
        people[row["model"]] += row["people"]

    verdicts = {audit["showing"]: audit["verdict"] for audit in log.audit}
    audited = defaultdict(list)
    for showing, verdict in verdicts.items():
        if showing in log.shown:
            audited[log.shown[showing]["model"]].append(verdict == "good")

    found = []
    models = list(dict.fromkeys(shown["model"] for shown in log.shown.values()))
    for before, model in pairwise(models):
        if not (people[before] and people[model]):
            continue
        if min(len(audited[before]), len(audited[model])) < AUDITS_NEEDED:
            continue
        rise = points[model] / people[model] - points[before] / people[before]
        fall = share(audited[before]) - share(audited[model])
        if rise >= SCORE_RISE and fall >= QUALITY_FALL:
            found.append({"model": model, "before": before})
    return found


def share(marks: list[bool]) -> float:
    return sum(marks) / len(marks)
