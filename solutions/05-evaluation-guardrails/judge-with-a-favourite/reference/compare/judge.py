"""Asks the judge model which of two answers is better. It learns neither names nor roles."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import openai

from compare.cache import Cache

log = logging.getLogger("compare")

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

FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "comparison",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "reason": {"type": "string"},
                "verdict": {"type": "string", "enum": ["A", "B", "tie"]},
            },
            "required": ["reason", "verdict"],
            "additionalProperties": False,
        },
    },
}

VERDICTS = ("A", "B", "tie")
UNPARSED, REFUSED, FAILED = "unparsed", "refused", "failed"
TRIES = 3
# Failures that may pass: busy, broken, cut off.
PASSING = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError)


@dataclass(frozen=True)
class Question:
    """What the judge is asked: two answers in this order."""

    question: str
    first: str
    second: str


class Judge:
    def __init__(self, model: str, rubric: str, cache: Cache) -> None:
        self.model = model
        self.rubric = rubric
        self.cache = cache
        self.from_cache = 0
        self._lock = threading.Lock()
        # One layer retries, and it is ours.
        self._client = openai.OpenAI(max_retries=0, timeout=120)

    def ask(self, question: Question) -> str:
        """A, B or tie; or why there is no verdict: unparsed, refused, failed."""
        request = self.request(question)
        # The request as it would be sent is the key: nothing that matters can be forgotten in it.
        written = json.dumps(request, sort_keys=True).encode()
        key = hashlib.sha256(written).hexdigest()
        known = self.cache.get(key)
        if known in VERDICTS:
            with self._lock:
                self.from_cache += 1
            return known
        try:
            verdict = read(self.send(request))
        except openai.APIError as error:
            log.warning("no verdict: %s", error)
            return FAILED
        if verdict in VERDICTS:
            self.cache.put(key, verdict)
        return verdict

    def request(self, question: Question) -> dict[str, Any]:
        user = USER.format(question=question.question, first=question.first, second=question.second)
        return {
            "model": self.model,
            "messages": [
                {"role": "system", "content": SYSTEM.format(rubric=self.rubric)},
                {"role": "user", "content": user},
            ],
            "response_format": FORMAT,
            "temperature": 0,
        }

    def send(self, request: dict[str, Any]) -> Any:
        for left in reversed(range(TRIES)):
            try:
                return self._client.chat.completions.create(**request)
            except (
                openai.APIConnectionError,
                openai.RateLimitError,
                openai.InternalServerError,
            ) as e:
                if not left:
                    raise
                time.sleep(pause(e, TRIES - left))
        raise AssertionError("unreachable")


def pause(error: openai.APIError, tries: int) -> float:
    """Seconds until the next try: what the server asks for, else longer each time."""
    response = getattr(error, "response", None)
    try:
        return min(60.0, float(response.headers["retry-after"]))
    except (AttributeError, KeyError, ValueError):
        return random.uniform(0.25, 0.5) * 2**tries


def read(completion: Any) -> str:
    """The verdict in a reply; UNPARSED or REFUSED when there is none."""
    if not completion.choices:
        return UNPARSED
    choice = completion.choices[0]
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return REFUSED
    try:
        verdict = json.loads(choice.message.content)["verdict"]
    except (TypeError, ValueError, KeyError):
        return UNPARSED
    return verdict if isinstance(verdict, str) and verdict in VERDICTS else UNPARSED
