"""What the next model may learn from."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from feedback.inputs import Account, Log
from feedback.opinions import Opinion

PERSONAL = (
    ("[email]", re.compile(r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("[iban]", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")),
    ("[phone]", re.compile(r"(?<![\w.,])(?:\+|0)(?:[ ()/-]*\d){8,14}(?!\d)")),
)


def rows(
    held: Iterable[Opinion], log: Log, people: Mapping[str, Account]
) -> Iterator[dict[str, Any]]:
    consent = {event["person"]: True for event in log.consent if event["given"]}
    solved = {event["showing"]: event["solved"] for event in log.outcome}
    for each in sorted(held, key=lambda each: each.shown["showing"]):
        if each.vote is None or people[each.person].evaluation or not consent.get(each.person):
            continue
        yield {
            "showing": each.shown["showing"],
            "answer": each.shown["answer"],
            "model": each.shown["model"],
            "label": "good" if each.value > 0 else "bad",
            "solved": solved.get(each.shown["showing"]),
            "comment": without_personal_data(each.vote.get("comment") or ""),
        }


def without_personal_data(text: str) -> str:
    for mark, pattern in PERSONAL:
        text = pattern.sub(mark, text)
    return text
