"""What a text may be cut into: words and, of long words, what a reader takes for one character."""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from splitter.size import tokens

WORD = re.compile(r"\S+")
#: A word of more tokens than this may be cut, and so may a sequence of characters.
LONG_WORD = 12
LONG_SEQUENCE = 20
JOINER = "\u200d"


class Unit(NamedTuple):
    """`text[start:end]`."""

    start: int
    end: int


def units(text: str, start: int, end: int) -> Iterator[Unit]:
    """The units of `text[start:end]` in order. White space is in none of them."""
    for match in WORD.finditer(text, start, end):
        size = tokens(match[0])
        if size <= LONG_WORD:
            yield Unit(match.start(), match.end())
        else:
            at = match.start()
            for first, last in sequences(match[0]):
                yield Unit(at + first, at + last)


def sequences(word: str) -> Iterator[tuple[int, int]]:
    """The characters of a word, with all that is drawn as one."""
    start = flags = 0
    for at, right in enumerate(word[1:], 1):
        left = word[at - 1]
        flags = flags + 1 if is_flag_half(left) else 0
        if not joined(left, right, flags):
            yield from within_limit(word, start, at)
            start = at
    yield from within_limit(word, start, len(word))


def within_limit(word: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """One sequence, or its code points if it is longer than any that means something."""
    if tokens(word[start:end]) <= LONG_SEQUENCE:
        yield start, end
    else:
        yield from ((at, at + 1) for at in range(start, end))


def joined(left: str, right: str, flags: int) -> bool:
    """Whether these two belong together. `flags` halves of flags end with `left`."""
    return (
        unicodedata.category(right).startswith("M")
        or JOINER in (left, right)
        or "\U0001f3fb" <= right <= "\U0001f3ff"
        or (is_flag_half(right) and flags % 2 == 1)
    )


def is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
