"""The assistant without the SDK and without asyncio: a thread per request, httpx, and a deadline
object that is handed down to whatever waits."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from settings import ProviderSettings, Settings

log = logging.getLogger("assistant")

PRIMARY_SHARE = 0.6
TRANSIENT = {408, 429}


@dataclass(frozen=True)
class Reply:
    answer: str
    source: str
    degraded: bool
    attempts: int
    truncated: bool


class ProvidersUnavailable(Exception):
    """Neither provider gave an answer in time."""


class OutOfTime(Exception):
    """The deadline has passed."""


class Failed(Exception):
    def __init__(self, reason: str, *, retry: bool, after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry = retry
        self.after = after


class Deadline:
    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        left = self._at - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left

    def fits(self, seconds: float) -> bool:
        return time.monotonic() + seconds < self._at


class RetryBudget:
    """A token bucket that answers fill and retries empty; when it is empty nobody retries."""

    SIZE = 10.0
    PER_ANSWER = 0.1

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens = self.SIZE

    def take(self) -> bool:
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def earn(self) -> None:
        with self._lock:
            self._tokens = min(self.SIZE, self._tokens + self.PER_ANSWER)


class Provider:
    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self._model = settings.model
        self._budget = RetryBudget()
        self._http = httpx.Client(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {settings.api_key}"},
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        )

    def complete(self, prompt: str, deadline: Deadline, calls: list[str]) -> tuple[str, bool]:
        """The answer and whether it was cut for length; at most one retry."""
        try:
            return self._call(prompt, deadline, calls)
        except Failed as failed:
            pause = failed.after + random.uniform(0, 0.25)
            if not (failed.retry and deadline.fits(pause) and self._budget.take()):
                raise
            log.info("%s: %s, retrying after %.3f s", self.name, failed, pause)
            time.sleep(pause)
            return self._call(prompt, deadline, calls)

    def _call(self, prompt: str, deadline: Deadline, calls: list[str]) -> tuple[str, bool]:
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "stream": True,
        }
        timeout = deadline.left()
        calls.append(self.name)
        try:
            with self._http.stream(
                "POST", "/chat/completions", json=body, timeout=timeout
            ) as response:
                if response.status_code != 200:
                    raise _refused(response)
                answer = _read(response.iter_lines(), deadline)
        except httpx.TimeoutException as error:
            raise OutOfTime from error
        except httpx.HTTPError as error:
            raise Failed(f"connection broken: {type(error).__name__}", retry=True) from error
        self._budget.earn()
        return answer


def _read(lines: Iterable[str], deadline: Deadline) -> tuple[str, bool]:
    parts: list[str] = []
    finish_reason: Any = None
    for line in lines:
        # httpx's timeout starts anew with every read, so a stream that trickles never meets it.
        deadline.left()
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        try:
            choices = json.loads(data)["choices"]
            if choices:
                parts.append(choices[0]["delta"].get("content") or "")
                finish_reason = choices[0].get("finish_reason") or finish_reason
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Failed("unreadable event", retry=True) from error
    text = "".join(parts)
    if finish_reason not in ("stop", "length") or not text:
        raise Failed(f"no whole answer (finish_reason {finish_reason})", retry=True)
    return text, finish_reason == "length"


def _refused(response: httpx.Response) -> Failed:
    status = response.status_code
    try:
        after = max(0.0, float(response.headers.get("retry-after", 0)))
    except ValueError:
        after = 0.0
    return Failed(f"status {status}", retry=status in TRANSIENT or status >= 500, after=after)


class Assistant:
    def __init__(self, settings: Settings) -> None:
        self._primary = Provider("primary", settings.primary)
        self._backup = Provider("fallback", settings.backup)

    def ask(self, prompt: str, deadline_ms: int) -> Reply:
        whole = Deadline(deadline_ms / 1000)
        share = Deadline(deadline_ms / 1000 * PRIMARY_SHARE)
        calls: list[str] = []
        for provider, deadline in ((self._primary, share), (self._backup, whole)):
            try:
                text, truncated = provider.complete(prompt, deadline, calls)
            except OutOfTime:
                log.warning("%s: out of time", provider.name)
            except Failed as failed:
                log.warning("%s: %s", provider.name, failed)
            else:
                degraded = provider is self._backup
                return Reply(text, provider.name, degraded, len(calls), truncated)
        raise ProvidersUnavailable
