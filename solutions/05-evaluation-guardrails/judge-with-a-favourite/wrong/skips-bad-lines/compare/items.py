"""The items: one question each, with an answer from every system. All are checked before any."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass


class BadItems(Exception):
    """The file is not fit for a comparison; the text says where."""


@dataclass(frozen=True)
class Item:
    id: str
    question: str
    baseline: str
    candidate: str


def load(path: str, baseline: str, candidate: str) -> list[Item]:
    items: dict[str, Item] = {}
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                item = parse(line, baseline, candidate)
            except BadItems as bad:
                print(f"line {number} skipped: {bad}", file=sys.stderr)
                continue
            if item.id in items:
                print(f"line {number} skipped: {item.id} again", file=sys.stderr)
                continue
            items[item.id] = item
    if not items:
        raise BadItems("no items")
    return list(items.values())


def parse(line: str, baseline: str, candidate: str) -> Item:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise BadItems(f"not JSON ({error})") from None
    if not isinstance(fields, dict):
        raise BadItems("not a JSON object")
    answers = fields.get("answers")
    if not isinstance(answers, dict):
        raise BadItems("no answers")
    texts = {"id": fields.get("id"), "question": fields.get("question")}
    texts |= {f"answer of {name}": answers.get(name) for name in (baseline, candidate)}
    for what, text in texts.items():
        if not isinstance(text, str) or not text:
            raise BadItems(f"no {what}")
    return Item(texts["id"], texts["question"], answers[baseline], answers[candidate])
