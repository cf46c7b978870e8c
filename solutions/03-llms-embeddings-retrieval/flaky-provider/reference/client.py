"""The assistant: asks the primary provider, and the backup when the primary is out.

One clock for a request: every wait (connect, first token, next token, pause before a retry) runs
under the same `asyncio.timeout_at`. One layer that retries: this one; the SDK's own is off.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from json import JSONDecodeError

from openai import APIError, APIStatusError, AsyncOpenAI
from settings import ProviderSettings, Settings

log = logging.getLogger("assistant")

# A primary that hangs may use up this much of the deadline; the rest belongs to the backup.
PRIMARY_SHARE = 0.6
# Answer a little before the caller's own timer fires.
MARGIN_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.25


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
    """One call gave no answer; `transient` when the next one may."""

    reason: str
    transient: bool = True
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


class Provider:
    """One OpenAI-compatible provider, with a retry budget of its own."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self._model = settings.model
        # Its own timeout (ten minutes, anew for each read) never fires: `timeout_at` comes first.
        self._client = AsyncOpenAI(base_url=settings.url, api_key=settings.api_key, max_retries=0)
        self._budget = RetryBudget()

    async def complete(self, prompt: str, until: float, tally: Tally) -> Completion:
        """The answer, or CallFailed, or TimeoutError at `until` (on the event loop's clock)."""
        async with asyncio.timeout_at(until):
            try:
                return await self._call(prompt, tally)
            except CallFailed as failure:
                # One retry: after two failures the other provider is the better bet.
                pause = _pause(failure.retry_after)
                fits = asyncio.get_running_loop().time() + pause < until
                if not (failure.transient and fits and self._budget.take()):
                    raise
                log.warning("%s: %s; again in %.3f s", self.name, failure.reason, pause)
            await asyncio.sleep(pause)
            return await self._call(prompt, tally)

    async def _call(self, prompt: str, tally: Tally) -> Completion:
        tally.calls += 1
        text = ""
        finish_reason: str | None = None
        try:
            stream = await self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "user", "content": prompt}],
                stream=True,
            )
            async with stream:
                async for chunk in stream:
                    for choice in chunk.choices:
                        text += choice.delta.content or ""
                        finish_reason = choice.finish_reason or finish_reason
        except APIStatusError as error:
            raise _refused(error) from error
        # The SDK passes on what json and its models raise when a chunk is not what it should be.
        except (APIError, JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
            raise CallFailed(f"no answer to read: {type(error).__name__}") from error

        # A stream may end cleanly half-way; only the finish chunk says that the model was done.
        if finish_reason not in ("stop", "length") or not text:
            raise CallFailed(f"no whole answer: {len(text)} characters, {finish_reason}")
        self._budget.earn()
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


def _refused(error: APIStatusError) -> CallFailed:
    status = error.status_code
    return CallFailed(
        reason=f"status {status}",
        transient=status == 429 or status >= 500,
        retry_after=_seconds(error.response.headers.get("retry-after")),
    )


def _seconds(value: str | None) -> float | None:
    try:
        return float(value) if value else None
    except ValueError:
        return None


def _pause(retry_after: float | None) -> float:
    """A random pause, so that callers who failed together do not come back together."""
    pause = random.random() * LONGEST_PAUSE_SECONDS
    return pause if retry_after is None else retry_after + pause / 2
