"""The assistant: asks the primary provider, and the backup when the primary is out.

One clock for a request: every wait (connect, first token, next token, pause before a retry) runs
under the same `asyncio.timeout_at`. One layer that retries: this one; the SDK's own is off.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError

from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI
from settings import ProviderSettings, Settings

log = logging.getLogger("assistant")

# A primary that hangs may use up this much of the deadline; the rest belongs to the backup.
PRIMARY_SHARE = 0.6
# Answer a little before the caller's own timer fires.
MARGIN_SECONDS = 0.02
# One retry: after two failures the other provider is the better bet.
MAX_CALLS_PER_PROVIDER = 2
LONGEST_PAUSE_SECONDS = 0.25
# Not worth starting a call when less than this is left.
LEAST_USEFUL_SECONDS = 0.05
# A caller with a tiny deadline says little about the provider's health.
SLOW_ENOUGH_TO_BE_ILL_SECONDS = 0.25


@dataclass(frozen=True)
class Reply:
    answer: str
    source: str
    degraded: bool
    attempts: int
    truncated: bool


class ProvidersUnavailable(Exception):
    """Neither provider gave an answer in time."""


@dataclass(frozen=True)
class Completion:
    text: str
    truncated: bool


@dataclass(eq=False)
class CallFailed(Exception):
    """One call gave no answer. What that means for the next one is decided here, once."""

    reason: str
    transient: bool
    blames_provider: bool = True
    retry_after: float | None = None


@dataclass
class Tally:
    """How many calls one request has caused so far, at both providers."""

    calls: int = 0


class RetryBudget:
    """Retries that all callers share: a retry costs 1, an answer earns `per_answer`."""

    def __init__(self, capacity: float = 10, per_answer: float = 0.2) -> None:
        self._capacity = capacity
        self._per_answer = per_answer
        self._left = capacity

    def take(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def earn(self) -> None:
        self._left = min(self._capacity, self._left + self._per_answer)


class Breaker:
    """Opens after several failures in a row; later lets one call through to look."""

    def __init__(self, failures: int = 5, rest_seconds: float = 0.5) -> None:
        self._threshold = failures
        self._rest = rest_seconds
        self._failures = 0
        self._rests_until = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        return self._failures >= self._threshold

    @contextmanager
    def admit(self, now: float) -> Iterator[bool]:
        """Whether a call may be made. At most one call at a time may be the probe."""
        probe = self.is_open and now >= self._rests_until and not self._probing
        if probe:
            self._probing = True
        try:
            yield probe or not self.is_open
        finally:
            if probe:
                self._probing = False

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        if self.is_open:
            self._rests_until = now + self._rest


class Provider:
    """One OpenAI-compatible provider, with its own breaker and its own retry budget."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self._model = settings.model
        # No timeout of its own: `timeout_at` covers a call as a whole, while the SDK's timeout
        # starts anew with each attempt and each read.
        self._client = AsyncOpenAI(
            base_url=settings.url, api_key=settings.api_key, max_retries=0, timeout=None
        )
        self._breaker = Breaker()
        self._budget = RetryBudget()

    async def complete(self, prompt: str, until: float, tally: Tally) -> Completion:
        """The answer, or CallFailed, or TimeoutError at `until` (on the event loop's clock)."""
        loop = asyncio.get_running_loop()
        for number in range(1, MAX_CALLS_PER_PROVIDER + 1):
            with self._breaker.admit(loop.time()) as admitted:
                if not admitted:
                    raise CallFailed("breaker open", transient=False)
                try:
                    return await self._watched_call(prompt, until, tally)
                except CallFailed as failure:
                    if not failure.transient or number == MAX_CALLS_PER_PROVIDER:
                        raise
                    pause = _pause(failure.retry_after)
                    if loop.time() + pause + LEAST_USEFUL_SECONDS > until:
                        raise
                    if not self._budget.take():
                        raise
                    log.info("%s: %s; again in %.3f s", self.name, failure.reason, pause)
            await asyncio.sleep(pause)
        raise AssertionError("the loop always returns or raises")

    async def _watched_call(self, prompt: str, until: float, tally: Tally) -> Completion:
        loop = asyncio.get_running_loop()
        started = loop.time()
        tally.calls += 1
        try:
            async with asyncio.timeout_at(until):
                completion = await self._call(prompt)
        except TimeoutError:
            if loop.time() - started >= SLOW_ENOUGH_TO_BE_ILL_SECONDS:
                self._breaker.failed(loop.time())
            raise
        except CallFailed as failure:
            if failure.blames_provider:
                self._breaker.failed(loop.time())
            else:
                self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        self._budget.earn()
        return completion

    async def _call(self, prompt: str) -> Completion:
        parts: list[str] = []
        finish_reason: str | None = None
        try:
            stream = await self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "user", "content": prompt}],
                stream=True,
            )
            async with stream:
                async for chunk in stream:
                    if not chunk.choices:
                        continue
                    choice = chunk.choices[0]
                    parts.append(choice.delta.content or "")
                    finish_reason = choice.finish_reason or finish_reason
        except APIStatusError as error:
            raise _judge_status(error) from error
        except APIConnectionError as error:
            raise CallFailed("connection broken", transient=True) from error
        # The SDK passes on what json and its models raise when a chunk is not what it should be.
        except (APIError, JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            raise CallFailed("unreadable stream", transient=True) from error

        text = "".join(parts)
        # A stream may end cleanly half-way; only the finish chunk says that the model was done.
        if finish_reason not in ("stop", "length"):
            raise CallFailed(f"stream ended with {finish_reason}", transient=True)
        if not text:
            raise CallFailed("empty answer", transient=True)
        return Completion(text, truncated=finish_reason == "length")


class Assistant:
    def __init__(self, settings: Settings) -> None:
        self._primary = Provider("primary", settings.primary)
        self._backup = Provider("fallback", settings.backup)

    async def ask(self, prompt: str, deadline_ms: int) -> Reply:
        started = asyncio.get_running_loop().time()
        seconds = deadline_ms / 1000
        plan = (
            (self._primary, started + seconds * PRIMARY_SHARE),
            (self._backup, started + seconds - MARGIN_SECONDS),
        )
        tally = Tally()
        for provider, until in plan:
            try:
                completion = await provider.complete(prompt, until, tally)
            except TimeoutError:
                log.warning("%s: no answer in time", provider.name)
            except CallFailed as failure:
                log.warning("%s: %s", provider.name, failure.reason)
            else:
                return Reply(
                    answer=completion.text,
                    source=provider.name,
                    degraded=provider is not self._primary,
                    attempts=tally.calls,
                    truncated=completion.truncated,
                )
        raise ProvidersUnavailable


def _judge_status(error: APIStatusError) -> CallFailed:
    status = error.status_code
    return CallFailed(
        reason=f"status {status}",
        transient=status in (408, 429) or status >= 500,
        # The request was at fault, so the provider may be in the best of health.
        blames_provider=status not in (400, 413, 422),
        retry_after=_retry_after(error.response.headers.get("retry-after")),
    )


def _retry_after(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


def _pause(retry_after: float | None) -> float:
    """A random pause, so that callers who failed together do not come back together."""
    pause = random.uniform(0, LONGEST_PAUSE_SECONDS)
    return pause if retry_after is None else retry_after + pause / 4
