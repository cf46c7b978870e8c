"""Counts showings and thumbs, answer by answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from feedback.log import Event


@dataclass
class Counter:
    """One answer of the assistant."""

    model: str = ""
    people: int = 0
    up: int = 0
    down: int = 0

    @property
    def score(self) -> float:
        """Net thumbs for each time that the answer was shown."""
        return (self.up - self.down) / self.people if self.people else 0.0


@dataclass
class Tally:
    answers: dict[str, Counter] = field(default_factory=dict)
    showings: dict[str, Event] = field(default_factory=dict)
    votes: dict[str, Event] = field(default_factory=dict)
    #: The showing that a person saw last; outcomes come from the ticket system, by then the
    #: person's case is the latest one.
    latest: dict[str, str] = field(default_factory=dict)
    solved: dict[str, bool] = field(default_factory=dict)
    consenting: set[str] = field(default_factory=set)
    unknown: int = 0


def count(events: Iterable[Event]) -> Tally:
    tally = Tally()
    events = list(events)
    for event in events:
        if event["type"] == "shown":
            counter = tally.answers.setdefault(event["answer"], Counter())
            counter.model = event["model"]
            counter.people += 1
            tally.showings[event["showing"]] = event
            tally.latest[event["person"]] = event["showing"]
    for event in events:
        if event["type"] == "vote":
            shown = tally.showings.get(event["showing"])
            if shown is None:
                tally.unknown += 1
                continue
            counter = tally.answers[shown["answer"]]
            if event["vote"] == "up":
                counter.up += 1
            elif event["vote"] == "down":
                counter.down += 1
            tally.votes[event["showing"]] = event
        elif event["type"] == "outcome":
            shown = tally.showings[event["showing"]]
            tally.solved[tally.latest[shown["person"]]] = event["solved"]
        elif event["type"] == "consent" and event["given"]:
            tally.consenting.add(event["person"])
    return tally
