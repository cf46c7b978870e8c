"""The assistant: both providers get the deadline as their time-out."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from openai import OpenAI, OpenAIError

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


class Provider:
    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.model = settings.model
        self.client = OpenAI(base_url=settings.url, api_key=settings.api_key)

    def complete(self, prompt: str, timeout: float) -> tuple[str, bool]:
        stream = self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            timeout=timeout,
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
        for attempt, (provider, share) in enumerate(((self.primary, 0.6), (self.backup, 1.0)), 1):
            timeout = max(0.01, (ends - time.monotonic()) * share)
            try:
                text, truncated = provider.complete(prompt, timeout)
            except (OpenAIError, Incomplete) as error:
                log.warning("%s failed: %r", provider.name, error)
                continue
            return Reply(text, provider.name, provider is self.backup, attempt, truncated)
        raise ProvidersUnavailable
