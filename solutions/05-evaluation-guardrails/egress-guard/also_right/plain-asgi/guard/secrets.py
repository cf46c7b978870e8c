"""Secrets, one kind after the other."""

from __future__ import annotations

import re

GROUPS = re.compile(r"(?<!\d)(?:\d{16}|\d{4} \d{4} \d{4} \d{4}|\d{4}-\d{4}-\d{4}-\d{4})(?!\d)")
KEYS = [
    r"(?<![\w-])sk-[\w-]{20,}",
    r"(?<![\w-])AKIA[A-Z\d]{16}(?![A-Za-z\d])",
    r"(?<![\w-])ghp_[A-Za-z\d]{36,}",
]
ADDRESS = re.compile(r"[\w.%+-]+@[A-Za-z\d-]+(?:\.[A-Za-z\d-]+)*\.[A-Za-z]{2,}", re.ASCII)


class Secrets:
    def __init__(self, canary: str, public: list[str]) -> None:
        self.canary = re.compile(re.escape(canary), re.IGNORECASE)
        self.public = {address.casefold() for address in public}
        self.redacted = 0

    def guard(self, text: str) -> str:
        text = self.canary.sub(self.gone, text)
        for key in KEYS:
            text = re.sub(key, self.gone, text, flags=re.ASCII)
        text = ADDRESS.sub(
            lambda match: match[0] if match[0].casefold() in self.public else self.gone(match), text
        )
        return GROUPS.sub(lambda match: self.gone(match) if valid(match[0]) else match[0], text)

    def gone(self, match: re.Match[str]) -> str:
        self.redacted += 1
        return "[redacted]"


def valid(number: str) -> bool:
    digits = [int(each) for each in number if each.isdigit()]
    digits[::2] = [sum(divmod(2 * each, 10)) for each in digits[::2]]  # sixteen: the first is doubled
    return sum(digits) % 10 == 0
