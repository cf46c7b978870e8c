"""From a manual to the passages that are embedded."""

from typing import Any

from splitter.cleaning import clean
from splitter.cutting import cut
from splitter.headings import sections
from splitter.sizes import CHARACTERS_PER_TOKEN

# Page numbers, "see above", "left blank on purpose": they only clutter the results.
MIN_CHARACTERS = 40


def chunk(text: str, max_tokens: int = 256, overlap: int = 32) -> list[dict[str, Any]]:
    """Passages of at most `max_tokens`, neighbours sharing `overlap` tokens."""
    text = clean(text)
    size = max_tokens * CHARACTERS_PER_TOKEN
    shared = overlap * CHARACTERS_PER_TOKEN
    passages = []
    for heading, start, end in sections(text):
        for piece in cut(text[start:end], size, shared):
            if len(piece) < MIN_CHARACTERS:
                continue
            at = text.find(piece)
            passages.append(
                {"text": piece, "start": at, "end": at + len(piece), "heading": heading}
            )
    return passages
