"""Each item is asked in both orders: what the judge thinks of the places shall cancel out."""

from __future__ import annotations

from compare.items import Item
from compare.judge import Judge
from compare.prompt import Question


def ask_both(judge: Judge, item: Item) -> tuple[str, str]:
    """The verdict with the baseline's answer first, and the one with the candidate's."""
    return (
        judge.ask(Question(item.question, item.baseline, item.candidate)),
        judge.ask(Question(item.question, item.candidate, item.baseline)),
    )
