"""A machine that takes one character after another and knows three things: line, word, number."""

from __future__ import annotations

import re
from collections.abc import Callable

FENCE = re.compile(r"( {0,3})(?P<marks>`{3,}|~{3,})(?P<info>[^\n]*)\n?")
BEGUN = re.compile(r" {0,3}(?:`{0,2}|~{0,2})|(?: {0,3})(?:```|~~~).*", re.DOTALL)


class Machine:
    """`prose` and `code` clean a run of whole words."""

    def __init__(self, prose: Callable[[str], str], code: Callable[[str], str]) -> None:
        self.prose, self.code = prose, code
        self.head: str | None = ""  # a line of which nobody knows yet what it is
        self.fence = ""
        self.clean = prose
        self.run = ""  # words that end in a digit, and blanks behind them
        self.word = ""

    def push(self, text: str) -> str:
        return "".join(map(self._one, text))

    def end(self) -> str:
        out = ""
        if self.head is not None:
            out = self._decide()
        run, self.run, self.word = self.run + self.word, "", ""
        return out + self.clean(run)

    def _one(self, character: str) -> str:
        if self.head is None:
            return self._into_word(character)
        self.head += character
        if character == "\n" or not BEGUN.fullmatch(self.head):
            return self._decide()
        return ""

    def _decide(self) -> str:
        """The line's head is known: code, a fence, or prose."""
        line, self.head = self.head or "", None
        fence = FENCE.fullmatch(line)
        self.clean = self.code if self.fence else self.prose
        if fence and self.fence:
            if fence["marks"].startswith(self.fence) and not fence["info"].strip(" \t\r"):
                self.fence = ""
        elif fence and not (fence["marks"][0] == "`" and "`" in fence["info"]):
            self.fence, self.clean = fence["marks"], self.code
        return "".join(map(self._into_word, line))

    def _into_word(self, character: str) -> str:
        if not character.isspace():
            self.word += character
            return ""
        word, self.word = self.word, ""
        self.run += word + character
        if character == "\n":
            self.head = ""
        elif not word or word[-1].isdigit():
            if self.run.strip():
                return ""
        run, self.run = self.run, ""
        return self.clean(run)
