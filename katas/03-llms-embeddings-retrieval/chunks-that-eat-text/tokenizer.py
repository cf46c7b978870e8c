"""The tokenizer of the embedding model: what the model counts is what this counts.

Byte-level BPE, as hosted models use it, with a vocabulary of about two thousand tokens instead
of a hundred thousand. It belongs to the model and is not yours to change.
"""

import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

#: The model reads this many tokens of a passage. It ignores the rest and does not say so.
LIMIT = 256

_PIECE = re.compile(r" ?[^\W\d_]{1,20}| ?\d{1,3}| ?[^\w\s]{1,8}|_{1,8}|\s{1,16}")
_LEARNED = Path(__file__).with_name("tokenizer.vocab").read_text("ascii").split()
_TOKENS = [bytes([byte]) for byte in range(256)] + [bytes.fromhex(line) for line in _LEARNED]
_RANKS = {token: rank for rank, token in enumerate(_TOKENS)}


def count(text: str) -> int:
    """How many tokens `text` has."""
    return sum(map(_length, _PIECE.findall(text)))


def encode(text: str) -> list[int]:
    """The tokens of `text`."""
    return [_RANKS[token] for piece in _PIECE.findall(text) for token in _merged(piece)]


def decode(tokens: list[int]) -> str:
    """The text of `tokens`. One character may be several tokens; a part of it becomes U+FFFD."""
    return b"".join(_TOKENS[token] for token in tokens).decode("utf-8", "replace")


@lru_cache(maxsize=100_000)
def _length(piece: str) -> int:
    return len(_merged(piece))


def _merged(piece: str) -> list[bytes]:
    """The bytes of `piece`, neighbours joined as long as that makes a token, lowest rank first."""
    parts = [bytes([byte]) for byte in piece.encode()]
    while len(parts) > 1:
        pairs = [_RANKS.get(left + right) for left, right in pairwise(parts)]
        rank = min((rank for rank in pairs if rank is not None), default=None)
        if rank is None:
            break
        at = pairs.index(rank)
        parts[at : at + 2] = [_TOKENS[rank]]
    return parts
