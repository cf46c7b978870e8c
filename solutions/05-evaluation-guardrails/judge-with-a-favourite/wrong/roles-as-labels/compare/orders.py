"""Each item is asked in both orders: what the judge thinks of the places shall cancel out."""

from __future__ import annotations

from compare.items import Item
from compare.judge import Judge
from compare.prompt import Question


def ask_both(judge: Judge, item: Item) -> tuple[str, str]:
    """The verdict with the baseline's answer first, and the one with the candidate's."""
    current = f"(current version) {item.baseline}"
    new = f"(new version) {item.candidate}"
    return (
        judge.ask(Question(item.question, current, new)),
        judge.ask(Question(item.question, new, current)),
    )
