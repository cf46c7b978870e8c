"""One day's letters: booked by the assistant, read by a nurse today, or waiting."""

from collections.abc import Mapping, Sequence
from typing import Any

from desk import familiar, staff


def route(letters: Sequence[Mapping[str, str]], policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each letter is judged by itself; the day's load decides only when it is read."""
    routed: list[dict[str, Any]] = []
    queue: list[tuple[Any, dict[str, Any]]] = []
    for letter in letters:
        reason, detail = judge(letter, policy)
        row = {"letter": letter["letter"], "reason": reason, "detail": detail}
        routed.append(row)
        if reason == "sure":
            row |= {"action": "auto", "place": ""}
        else:
            queue.append((staff.urgency(letter, reason, policy), row))
    queue.sort(key=lambda entry: entry[0])
    for place, (_, row) in enumerate(queue, 1):
        overdue = row["reason"] == "unfamiliar" or place <= (policy["capacity"] or len(queue))
        row |= {"action": "ask" if overdue else "wait", "place": place}
    return routed


def judge(letter: Mapping[str, str], policy: Mapping[str, Any]) -> tuple[str, str]:
    """Why a letter is booked or not, as a code and in words."""
    strange = familiar.strange(letter, policy["known"])
    if strange is not None:
        return "unfamiliar", strange
    threshold = policy["sites"][letter["site"]]["threshold"]
    if threshold is None:
        return "unproven", f"nothing is booked at {letter['site']} yet"
    sure = float(letter["confidence"]) >= threshold
    detail = f"confidence {letter['confidence']}, booked from {threshold:g} on"
    return ("sure" if sure else "doubtful"), detail
