"""The assistant: asks the primary provider, and the backup when the primary is out."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from openai import OpenAI
from settings import ProviderSettings, Settings
from tenacity import before_sleep_log, retry, stop_after_attempt, wait_exponential

log = logging.getLogger("assistant")


@dataclass(frozen=True)
class Reply:
    answer: str
    source: str
    degraded: bool
    attempts: int
    truncated: bool


@dataclass
class Completion:
    text: str
    finish_reason: str | None = None


class Provider:
    """One OpenAI-compatible provider."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        self.name = name
        self.model = settings.model
        self.client = OpenAI(base_url=settings.url, api_key=settings.api_key)
        self.calls = 0

    @retry(
        stop=stop_after_attempt(5),
        wait=wait_exponential(multiplier=0.2, max=2),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    def complete(self, prompt: str) -> Completion:
        self.calls += 1
        stream = self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": prompt}],
            stream=True,
        )
        parts: list[str] = []
        finish_reason = None
        for chunk in stream:
            if not chunk.choices:
                continue
            choice = chunk.choices[0]
            if choice.delta.content:
                parts.append(choice.delta.content)
            if choice.finish_reason:
                finish_reason = choice.finish_reason
        return Completion("".join(parts), finish_reason)


class Assistant:
    def __init__(self, settings: Settings) -> None:
        self.primary = Provider("primary", settings.primary)
        self.backup = Provider("backup", settings.backup)

    def ask(self, prompt: str, deadline_ms: int) -> Reply:
        started = time.monotonic()
        source = self.primary.name
        before = self.primary.calls

        try:
            completion = self.primary.complete(prompt)
        except:  # noqa: E722
            log.exception("primary failed, trying backup")
            try:
                completion = self.backup.complete(prompt)
            except:  # noqa: E722
                log.exception("backup failed as well")
                completion = Completion("")

        elapsed_ms = (time.monotonic() - started) * 1000
        if elapsed_ms > deadline_ms:
            log.warning("late answer: %.0f ms, deadline %d ms", elapsed_ms, deadline_ms)

        return Reply(
            answer=completion.text,
            source=source,
            degraded=completion.text == "",
            attempts=self.primary.calls - before,
            truncated=False,
        )


def configure_logging() -> None:
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("openai").setLevel(logging.INFO)
