"""Passages that two works share: winnowing (Schleimer, Wilkerson, Aiken, SIGMOD 2003), as in MOSS.

Names, numbers and texts do not count.
"""

import hashlib
import keyword
import re
from collections.abc import Sequence
from typing import NamedTuple

from grader.cohort.feedback import visible
from grader.submission import Submission

#: Runs of so many tokens are compared; of every so many neighbours one is kept. Whatever two
#: works share in a run of _RUN + _WINDOW - 1 tokens is found.
_RUN, _WINDOW = 16, 8
#: Of one work; what is longer is cut, so that nobody holds the comparison up.
MOST_BYTES = 200_000
# A text that nothing closes is one, too: else each quote in it would be tried as a beginning.
_TOKEN = re.compile(
    r"""(?P<skip>\#[^\n]*|\s+)"""
    r"""|(?P<text>[rbfuRBFU]{0,2}(?:\"\"\"(?:[^\\]|\\.)*?(?:\"\"\"|\\?\Z)"""
    r"""|'''(?:[^\\]|\\.)*?(?:'''|\\?\Z)|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?))"""
    r"""|(?P<number>\d[\w.]*)|(?P<word>\w+)|(?P<sign>.)""",
    re.DOTALL,
)
_KEYWORDS = frozenset(keyword.kwlist)


class Token(NamedTuple):
    """A token as it is compared, and the line that it begins on, from 0."""

    kind: str
    line: int


def tokens(text: str) -> list[Token]:
    """What is compared of a text: signs and keywords as they are, the rest by its kind."""
    found = []
    line = 0
    for match in _TOKEN.finditer(text):
        kind, word = match.lastgroup, match[0]
        if kind == "word":
            found.append(Token(word if word in _KEYWORDS else "name", line))
        elif kind != "skip":
            found.append(Token(word if kind == "sign" else str(kind), line))
        line += word.count("\n")
    return found


def fingerprints(found: Sequence[Token]) -> dict[int, list[int]]:
    """Winnowed fingerprints of tokens, each with the positions of the runs that it stands for."""
    runs = [_hash(found[n : n + _RUN]) for n in range(len(found) - _RUN + 1)]
    kept: dict[int, list[int]] = {}
    last = -1
    for start in range(max(1, len(runs) - _WINDOW + 1)) if runs else ():
        window = runs[start : start + _WINDOW]
        # The rightmost of the least, so that neighbouring windows choose the same.
        least = min(window)
        position = start + len(window) - 1 - window[::-1].index(least)
        if position != last:
            kept.setdefault(least, []).append(position)
            last = position
    return kept


def _hash(run: Sequence[Token]) -> int:
    """A number for a run of tokens, the same in every process."""
    text = " ".join([each.kind for each in run])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def text_of(work: Submission) -> str:
    """All files of a work one after the other."""
    parts = [f"# {name}\n{content.decode('utf-8', 'replace')}"
             for name, content in sorted(work.files.items())]  # fmt: skip
    return "\n".join(parts)[:MOST_BYTES]


def side_by_side(one: Submission, other: Submission) -> tuple[list[tuple[str, bool]], ...]:
    """The lines of both works, and of each whether it is part of a run that the other has, too."""
    texts = (text_of(one), text_of(other))
    found = [tokens(text) for text in texts]
    prints = [fingerprints(each) for each in found]
    both = prints[0].keys() & prints[1].keys()
    sides = []
    for text, mine, kept in zip(texts, found, prints, strict=True):
        marked = {
            token.line
            for fingerprint in both
            for position in kept[fingerprint]
            for token in mine[position : position + _RUN]
        }
        lines = visible(text).split("\n")
        sides.append([(line, number in marked) for number, line in enumerate(lines)])
    return tuple(sides)
