"""Asks the judge model which of two answers is better, unless it has said so before."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from typing import Any

import openai

from compare.cache import Cache
from compare.calls import Client
from compare.prompt import Question, messages
from compare.verdicts import FAILED, FORMAT, VERDICTS, read

log = logging.getLogger("compare")


class Judge:
    def __init__(self, model: str, rubric: str, cache: Cache) -> None:
        self.model = model
        self.rubric = rubric
        self.cache = cache
        self.from_cache = 0
        self._lock = threading.Lock()
        self._client = Client()

    def ask(self, question: Question) -> str:
        """A, B or tie; or why there is no verdict: unparsed, refused, failed."""
        request = self.request(question)
        pair = sorted([question.first, question.second])
        key = digest([self.model, self.rubric, question.question, pair])
        known = self.cache.get(key)
        if known in VERDICTS:
            with self._lock:
                self.from_cache += 1
            return known
        try:
            verdict = read(self._client.send(request))
        except openai.APIError as error:
            log.warning("no verdict: %s", error)
            verdict = FAILED
        if verdict in VERDICTS:
            self.cache.put(key, verdict)
        return verdict

    def request(self, question: Question) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": messages(question, self.rubric),
            "response_format": FORMAT,
            "temperature": 0,
        }


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
