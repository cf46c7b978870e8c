"""The assistant as a race with a late start: the backup starts when the primary has failed or has
used up its share, and the first whole answer wins. Retries are tenacity's, the SDK's are off."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from dataclasses import dataclass

import openai
from openai import AsyncOpenAI
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
)

from settings import ProviderSettings, Settings

log = logging.getLogger("assistant")

PRIMARY_SHARE = 0.6


@dataclass(frozen=True)
class Reply:
    answer: str
    source: str
    degraded: bool
    attempts: int
    truncated: bool


class ProvidersUnavailable(Exception):
    """Neither provider gave an answer in time."""


class Unusable(Exception):
    """A response with status 200 that holds no whole answer."""


class Resting(Exception):
    """The provider is not being called for the moment."""


class Health:
    """The share of failures among the calls of the last seconds decides whether to go on."""

    WINDOW_SECONDS = 3.0
    ENOUGH_CALLS = 12
    TOO_MANY = 0.8
    PROBE_EVERY_SECONDS = 0.5

    def __init__(self) -> None:
        self._seen: deque[tuple[float, bool]] = deque(maxlen=100)
        self._next_probe = 0.0

    def may_call(self) -> bool:
        now = time.monotonic()
        recent = [ok for at, ok in self._seen if now - at < self.WINDOW_SECONDS]
        if len(recent) < self.ENOUGH_CALLS or recent.count(False) < self.TOO_MANY * len(recent):
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + self.PROBE_EVERY_SECONDS
        return True

    def note(self, ok: bool) -> None:
        self._seen.append((time.monotonic(), ok))
        if ok and self._next_probe:
            # It answered a probe: what happened before is over.
            self._seen.clear()
            self._next_probe = 0.0


class Provider:
    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self._model = settings.model
        self._client = AsyncOpenAI(
            base_url=settings.url, api_key=settings.api_key, max_retries=0, timeout=60.0
        )
        self._health = Health()
        self._retries_left = 10.0

    async def complete(self, prompt: str, seconds: float, calls: list[str]) -> tuple[str, bool]:
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_transient),
            wait=_wait,
            stop=stop_any(
                stop_after_attempt(2), stop_before_delay(seconds), lambda _: not self._may_retry()
            ),
            reraise=True,
        )
        return await retrying(self._call, prompt, calls)

    def _may_retry(self) -> bool:
        if self._retries_left < 1:
            return False
        self._retries_left -= 1
        return True

    async def _call(self, prompt: str, calls: list[str]) -> tuple[str, bool]:
        if not self._health.may_call():
            raise Resting
        calls.append(self.name)
        started = time.monotonic()
        try:
            answer = await self._stream(prompt)
        except asyncio.CancelledError:
            # The loser of a race that has only just begun is not ill.
            if time.monotonic() - started > 0.25:
                self._health.note(False)
            raise
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            self._health.note(True)
            raise
        except Exception:
            self._health.note(False)
            raise
        self._health.note(True)
        self._retries_left = min(10.0, self._retries_left + 0.2)
        return answer

    async def _stream(self, prompt: str) -> tuple[str, bool]:
        text = ""
        finish_reason = None
        async with await self._client.chat.completions.create(
            model=self._model, messages=[{"role": "user", "content": prompt}], stream=True
        ) as stream:
            try:
                async for chunk in stream:
                    for choice in chunk.choices:
                        text += choice.delta.content or ""
                        finish_reason = choice.finish_reason or finish_reason
            except (ValueError, AttributeError, TypeError) as error:
                raise Unusable("the stream cannot be read") from error
        if not text or finish_reason not in ("stop", "length"):
            raise Unusable(f"finish_reason {finish_reason}, {len(text)} characters")
        return text, finish_reason == "length"


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 429) or error.status_code >= 500
    return isinstance(error, openai.APIError | Unusable)


def _wait(state: RetryCallState) -> float:
    asked = 0.0
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, openai.APIStatusError):
        try:
            asked = max(0.0, float(error.response.headers.get("retry-after", 0)))
        except ValueError:
            asked = 0.0
    return asked + random.uniform(0, 0.25)


class Assistant:
    def __init__(self, settings: Settings) -> None:
        self._primary = Provider("primary", settings.primary)
        self._backup = Provider("fallback", settings.backup)

    async def ask(self, prompt: str, deadline_ms: int) -> Reply:
        seconds = deadline_ms / 1000
        ends = time.monotonic() + seconds
        calls: list[str] = []
        running = {self._start(self._primary, prompt, seconds * PRIMARY_SHARE, calls)}
        wait_until = ends - seconds * (1 - PRIMARY_SHARE)
        backup_started = False
        try:
            while True:
                left = max(0.0, wait_until - time.monotonic())
                done, running = await asyncio.wait(
                    running, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    if (error := task.exception()) is None:
                        text, truncated = task.result()
                        degraded = task.get_name() == self._backup.name
                        return Reply(text, task.get_name(), degraded, len(calls), truncated)
                    log.warning("%s: %r", task.get_name(), error)
                if backup_started and (not running or time.monotonic() >= ends):
                    for task in running:
                        log.warning("%s: no answer in time", task.get_name())
                    raise ProvidersUnavailable
                if not backup_started:
                    left = ends - time.monotonic()
                    running.add(self._start(self._backup, prompt, left, calls))
                    backup_started, wait_until = True, ends
        finally:
            for task in running:
                task.cancel()
            # Waiting for them closes their connections before the caller has its answer.
            await asyncio.gather(*running, return_exceptions=True)

    def _start(
        self, provider: Provider, prompt: str, seconds: float, calls: list[str]
    ) -> asyncio.Task[tuple[str, bool]]:
        work = provider.complete(prompt, seconds, calls)
        return asyncio.create_task(work, name=provider.name)
