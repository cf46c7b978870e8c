"""The assistant: provider calls run in threads, and nobody waits for a thread beyond the
deadline."""

from __future__ import annotations

import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from openai import APIError, APIStatusError, OpenAI

from settings import ProviderSettings, Settings

log = logging.getLogger("assistant")


@dataclass(frozen=True)
class Reply:
    answer: str
    source: str
    degraded: bool
    attempts: int
    truncated: bool


class ProvidersUnavailable(Exception):
    """Neither provider gave an answer."""


class Incomplete(Exception):
    """The stream ended before the model was done."""


class RetryBudget:
    """Retries that all callers share; answers refill it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = 10.0

    def take(self) -> bool:
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def earn(self) -> None:
        with self._lock:
            self._left = min(10.0, self._left + 0.1)


class Provider:
    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.model = settings.model
        self.client = OpenAI(base_url=settings.url, api_key=settings.api_key, max_retries=0)
        self.budget = RetryBudget()
        self.pool = ThreadPoolExecutor(max_workers=32)

    def complete(self, prompt: str, ends: float, calls: list[str]) -> tuple[str, bool]:
        """The answer, or an error, or TimeoutError at `ends`; at most one retry."""
        try:
            return self.call(prompt, ends, calls)
        except (APIError, Incomplete) as error:
            pause = random.uniform(0, 0.25) + _retry_after(error)
            hopeless = isinstance(error, APIStatusError) and not (
                error.status_code in (408, 429) or error.status_code >= 500
            )
            if hopeless or time.monotonic() + pause > ends or not self.budget.take():
                raise
            time.sleep(pause)
            return self.call(prompt, ends, calls)

    def call(self, prompt: str, ends: float, calls: list[str]) -> tuple[str, bool]:
        calls.append(self.name)
        answer = self.pool.submit(self.stream, prompt).result(ends - time.monotonic())
        self.budget.earn()
        return answer

    def stream(self, prompt: str) -> tuple[str, bool]:
        stream = self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
        )
        parts: list[str] = []
        finish_reason = None
        try:
            for chunk in stream:
                if chunk.choices:
                    parts.append(chunk.choices[0].delta.content or "")
                    finish_reason = chunk.choices[0].finish_reason or finish_reason
        except ValueError as error:
            raise Incomplete("unreadable") from error
        if finish_reason not in ("stop", "length") or not any(parts):
            raise Incomplete(f"finish_reason {finish_reason}")
        return "".join(parts), finish_reason == "length"


class Assistant:
    def __init__(self, settings: Settings) -> None:
        self.primary = Provider("primary", settings.primary)
        self.backup = Provider("fallback", settings.backup)

    def ask(self, prompt: str, deadline_ms: int) -> Reply:
        ends = time.monotonic() + deadline_ms / 1000
        half_time = ends - deadline_ms / 1000 * 0.4
        calls: list[str] = []
        for provider, until in ((self.primary, half_time), (self.backup, ends)):
            try:
                text, truncated = provider.complete(prompt, until, calls)
            except (APIError, Incomplete, TimeoutError) as error:
                log.warning("%s failed: %r", provider.name, error)
                continue
            return Reply(text, provider.name, provider is self.backup, len(calls), truncated)
        raise ProvidersUnavailable


def _retry_after(error: Exception) -> float:
    if not isinstance(error, APIStatusError):
        return 0.0
    try:
        return max(0.0, float(error.response.headers.get("retry-after", 0)))
    except ValueError:
        return 0.0
