"""What each person thinks of each answer, and what all of them together think."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from feedback.inputs import Log

REASONS = ("unknown_showing", "other_person", "other_model", "too_early")


@dataclass(frozen=True)
class Opinion:
    """One person on one card; `vote` is the event that stands, None for silence."""

    shown: dict[str, Any]
    vote: dict[str, Any] | None

    @property
    def person(self) -> str:
        return self.shown["person"]

    @property
    def card(self) -> tuple[str, str]:
        return self.shown["answer"], self.shown["model"]

    @property
    def value(self) -> int:
        return {"up": 1, "down": -1}[self.vote["vote"]] if self.vote else 0


def standing_votes(log: Log) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """The last vote on each showing, unless it took the vote back; and what was rejected."""
    votes: dict[str, dict[str, Any]] = {}
    rejected = dict.fromkeys(REASONS, 0)
    for vote in log.vote:
        if reason := fault(vote, log):
            rejected[reason] += 1
        else:
            votes[vote["showing"]] = vote
    return {key: vote for key, vote in votes.items() if vote["vote"] != "none"}, rejected


def fault(vote: dict[str, Any], log: Log) -> str:
    shown = log.shown.get(vote["showing"])
    if shown is None:
        return "unknown_showing"
    if shown["person"] != vote["person"]:
        return "other_person"
    if shown["model"] != vote["model"]:
        return "other_model"
    return "too_early" if vote["at"] < shown["at"] else ""


def held(log: Log, votes: dict[str, dict[str, Any]]) -> list[Opinion]:
    """One opinion for each person and card: the latest vote, or the latest showing without one."""
    latest: dict[tuple[str, str, str], tuple[Any, Opinion]] = {}
    for showing, shown in log.shown.items():
        vote = votes.get(showing)
        opinion = Opinion(shown, vote)
        rank = (vote is not None, (vote or shown)["at"])
        key = (opinion.person, *opinion.card)
        if key not in latest or rank >= latest[key][0]:
            latest[key] = rank, opinion
    return [opinion for _, opinion in latest.values()]


def scores(held: Iterable[Opinion]) -> list[dict[str, Any]]:
    by_card = defaultdict(list)
    for opinion in held:
        by_card[opinion.card].append(opinion)
    rows = []
    for (answer, model), opinions in sorted(by_card.items()):
        weighted = [
            each.value / each.shown["propensity"] for each in opinions
        ]
        rows.append(
            {
                "answer": answer,
                "model": model,
                "people": len(opinions),
                "up": sum(each.value == 1 for each in opinions),
                "down": sum(each.value == -1 for each in opinions),
                "score": sum(weighted) / len(opinions),
            }
        )
    return rows
