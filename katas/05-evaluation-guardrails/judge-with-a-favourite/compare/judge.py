"""Asks the judge model for its verdict on one item."""

from __future__ import annotations

import logging
import re

from openai import OpenAI

from compare.items import Item

log = logging.getLogger("compare")

RUBRIC = """\
Prefer the answer that is correct and complete, and that tells the customer what to do next.
Do not prefer an answer because it is longer or because it stands first. Be objective.
"""

PROMPT = """\
You compare two answers of a travel insurer's assistant to the same question.

{rubric}
Question:
{question}

Answer A, written by {first_name}:
{first}

Answer B, written by {second_name}:
{second}

Which answer is better, A or B? Begin with the letter, then give a short reason.
"""


class Judge:
    def __init__(self, model: str, rubric: str = RUBRIC) -> None:
        self.model = model
        self.rubric = rubric
        self.client = OpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY

    def compare(self, item: Item, baseline: str, candidate: str) -> str:
        """The winner: "candidate" or "baseline"."""
        prompt = PROMPT.format(
            rubric=self.rubric,
            question=item["question"],
            first_name=candidate,
            first=item["answers"][candidate].strip(),
            second_name=baseline,
            second=item["answers"][baseline].strip(),
        )
        try:
            completion = self.client.chat.completions.create(
                model=self.model,
                messages=[{"role": "user", "content": prompt}],
                temperature=0,
            )
            text = completion.choices[0].message.content or ""
        except Exception:
            log.exception("judge failed on %s", item["id"])
            text = ""
        return "candidate" if self.verdict(text) == "A" else "baseline"

    @staticmethod
    def verdict(text: str) -> str | None:
        found = re.search(r"\b([AB])\b", text)
        return found.group(1) if found else None
