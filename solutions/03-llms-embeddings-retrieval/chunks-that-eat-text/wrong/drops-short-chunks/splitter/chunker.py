"""From a manual to the passages that are embedded."""

from typing import Any

from splitter.cutting import cut
from splitter.sections import sections

# Page numbers, "see above", "left blank on purpose": they only clutter the results.
MIN_CHARACTERS = 40


def chunk(text: str, max_tokens: int = 256, overlap: int = 32) -> list[dict[str, Any]]:
    """Passages of at most `max_tokens`, neighbours sharing at least `overlap` tokens.

    Raises `ValueError` for settings with which that cannot be kept.
    """
    check(max_tokens, overlap)
    return [
        {"text": text[start:end], "start": start, "end": end, "heading": list(section.heading)}
        for section in sections(text)
        for start, end in cut(text, section, max_tokens, overlap)
        if end - start >= MIN_CHARACTERS
    ]


def check(max_tokens: int, overlap: int) -> None:
    if max_tokens < 64:
        raise ValueError(f"max_tokens is {max_tokens}; the least is 64")
    if not 0 <= 4 * overlap <= max_tokens:
        raise ValueError(f"overlap is {overlap}; from 0 to a quarter of max_tokens ({max_tokens})")
