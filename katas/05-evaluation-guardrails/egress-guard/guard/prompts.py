"""Prompts that try to talk the model out of its instructions."""

from __future__ import annotations

from typing import Any

SUSPICIOUS = [
    "ignore previous",
    "ignore all previous",
    "ignore the above",
    "disregard",
    "forget your instructions",
    "system prompt",
    "you are now",
    "developer mode",
    "do not tell the user",
    "new instructions",
    "reveal",
    "jailbreak",
]


def suspicious(messages: list[dict[str, Any]]) -> bool:
    text = " ".join(str(message.get("content")) for message in messages).lower()
    return any(phrase in text for phrase in SUSPICIOUS)
