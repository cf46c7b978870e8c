"""What the judge is asked. It learns neither names nor roles, only two answers in an order."""

from __future__ import annotations

from dataclasses import dataclass

RUBRIC = """\
Prefer the answer that is correct and complete, and that tells the customer what to do next.
Do not prefer an answer because it is longer or because it stands first.
"""

SYSTEM = """\
You compare two answers of a travel insurer's assistant to the same question.

{rubric}

Answer with a JSON object: "reason", one sentence, and "verdict", which is "A" (the first answer
is better), "B" (the second is better) or "tie".
"""

USER = """\
Question:
{question}

Answer A:
{first}

Answer B:
{second}
"""


@dataclass(frozen=True)
class Question:
    question: str
    first: str
    second: str


def messages(asked: Question, rubric: str) -> list[dict[str, str]]:
    user = USER.replace("{question}", asked.question)
    user = user.replace("{first}", asked.first).replace("{second}", asked.second)
    return [
        {"role": "system", "content": SYSTEM.format(rubric=rubric)},
        {"role": "user", "content": user},
    ]
