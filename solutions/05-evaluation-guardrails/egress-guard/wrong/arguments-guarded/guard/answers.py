"""The texts within an answer of the model, whole or in chunks. All else is passed on as it came."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from guard.policy import Settings
from guard.text import Outgoing


def whole(answer: dict[str, Any], settings: Settings) -> tuple[dict[str, Any], dict[str, int]]:
    """The answer with guarded texts, and what was found in it."""
    texts = []
    for choice in answer["choices"]:
        message = choice["message"]
        for call in message.get("tool_calls") or []:
            inner = Outgoing(settings)
            given = call["function"]["arguments"]
            call["function"]["arguments"] = inner.feed(given) + inner.close()
        if isinstance(message.get("content"), str):
            text = Outgoing(settings)
            message["content"] = text.feed(message["content"]) + text.close()
            texts.append(text)
    return answer, _found(texts)


class Streamed:
    """One answer that comes in chunks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._texts: dict[int, Outgoing] = {}

    def chunk(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The chunk with as much of its text, and of what was held back, as may go by now."""
        for choice in chunk.get("choices") or []:
            text = self._texts.setdefault(choice.get("index", 0), Outgoing(self._settings))
            delta = choice.get("delta") or {}
            piece = delta.get("content")
            gone = text.feed(piece) if isinstance(piece, str) else ""
            if choice.get("finish_reason") is not None:
                gone += text.close()
            if gone or isinstance(piece, str):
                choice["delta"] = {**delta, "content": gone}
        return chunk

    @property
    def found(self) -> dict[str, int]:
        return _found(self._texts.values())


def _found(texts: Iterable[Outgoing]) -> dict[str, int]:
    texts = list(texts)
    return {
        "blocked": sum(text.blocked for text in texts),
        "redacted": sum(text.redacted for text in texts),
    }
