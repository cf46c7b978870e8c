"""Secrets that the model repeats are blacked out."""

from __future__ import annotations

import re

from guard.policy import Policy

REDACTED = "[redacted]"

CARD = re.compile(r"\b\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}")
KEY = re.compile(r"sk-[A-Za-z0-9_-]{8,}")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def redact(text: str, policy: Policy, canary: str) -> tuple[str, int]:
    redacted = text.count(canary)
    text = text.replace(canary, REDACTED)
    text, cards = CARD.subn(REDACTED, text)
    text, keys = KEY.subn(REDACTED, text)
    redacted += cards + keys

    def judge(match: re.Match[str]) -> str:
        nonlocal redacted
        if match[0] in policy.public_emails:
            return match[0]
        redacted += 1
        return REDACTED

    return EMAIL.sub(judge, text), redacted
