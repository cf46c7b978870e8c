"""Secrets that the model repeats are blacked out."""

from __future__ import annotations

import re

from guard.policy import Policy

REDACTED = "[redacted]"

CARD = re.compile(r"(?<![0-9])[0-9]{4}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?![0-9])")
KEY = re.compile(
    r"(?<![A-Za-z0-9_-])"
    r"(?:sk-[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{16}(?![A-Za-z0-9])|ghp_[A-Za-z0-9]{36,})"
)
EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
)


def redact(text: str, policy: Policy, canary: str) -> tuple[str, int]:
    """The text without its secrets, and how many there were."""
    text, canaries = re.subn(re.escape(canary), REDACTED, text, flags=re.IGNORECASE)
    text, keys = KEY.subn(REDACTED, text)
    redacted = canaries + keys

    def judge(match: re.Match[str]) -> str:
        nonlocal redacted
        if match[0].lower() in policy.public_emails:
            return match[0]
        redacted += 1
        return REDACTED

    text = EMAIL.sub(judge, text)
    text, cards = _without_cards(text)
    return text, redacted + cards


def _without_cards(text: str) -> tuple[str, int]:
    # Not `sub`: four groups that fail the check may share some with four that pass.
    found, position = 0, 0
    while match := CARD.search(text, position):
        position = match.start() + 1
        if luhn(match[0]):
            text = text[: match.start()] + REDACTED + text[match.end() :]
            found += 1
    return text, found


def luhn(number: str) -> bool:
    digits = [int(each) for each in number if each.isdigit()][::-1]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
