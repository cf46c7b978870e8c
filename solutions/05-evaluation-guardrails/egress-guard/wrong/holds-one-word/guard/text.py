"""One text on its way out, piece by piece.

Everything that is looked for stands within one line, and within one word of it, but for card
numbers in groups. So a line can go once it has ended, and before that each word once it has ended,
unless it ends in a digit. What a line is (code, fence, prose) is known before its first word.
"""

from __future__ import annotations

import re

from guard import links, secrets
from guard.policy import Settings

OPENS = re.compile(r" {0,3}(?:(`{3,})[^`]*|(~{3,}).*)", re.DOTALL)
CLOSES = re.compile(r" {0,3}(`{3,}|~{3,})[ \t\r\n]*")
MAY_BE_FENCE = re.compile(r" {0,3}(?:`{0,2}|~{0,2}|`{3}.*|~{3}.*)", re.DOTALL)
READY = re.compile(r".*\s", re.DOTALL)  # up to the last blank


class Outgoing:
    """The text of one choice of one answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held = ""
        self._begun = False  # a part of this line has gone already
        self._fence = ""  # what opened the code block that we are in
        self._code = False  # this line is code, or a fence
        self.blocked = 0
        self.redacted = 0

    def feed(self, piece: str) -> str:
        """Takes the next piece; returns what may go by now."""
        self._held += piece
        *lines, self._held = self._held.split("\n")
        gone = [self._part(line + "\n", ends=True) for line in lines]
        if ready := self._ready():
            gone.append(self._part(self._held[:ready], ends=False))
            self._held = self._held[ready:]
        return "".join(gone)

    def close(self) -> str:
        """What is left, when no more will come."""
        rest, self._held = self._held, ""
        return self._part(rest, ends=True)

    def _ready(self) -> int:
        """How much of the unfinished line may go."""
        line = self._held
        if not self._begun and MAY_BE_FENCE.fullmatch(line):
            return 0
        found = READY.match(line)
        return found.end() if found else 0

    def _part(self, text: str, ends: bool) -> str:
        if not self._begun:
            self._code = self._look_at_fence(text)
        self._begun = not ends
        if not self._code:
            text, blocked = links.block(text, self._settings.policy)
            self.blocked += blocked
        text, redacted = secrets.redact(text, self._settings.policy, self._settings.canary)
        self.redacted += redacted
        return text

    def _look_at_fence(self, line: str) -> bool:
        """Whether the line that begins so is code or a fence."""
        if self._fence:
            closing = CLOSES.fullmatch(line)
            if closing and closing[1].startswith(self._fence):
                self._fence = ""
            return True
        if opening := OPENS.fullmatch(line):
            self._fence = opening[1] or opening[2]
        return bool(self._fence)
