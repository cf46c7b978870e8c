"""From a manual to the passages that are embedded."""

from collections.abc import Iterator
from typing import Any

from splitter.cutting import cut
from splitter.sections import Section, sections
from splitter.size import tokens


def chunk(text: str, max_tokens: int = 256, overlap: int = 32) -> list[dict[str, Any]]:
    """Passages of at most `max_tokens`, neighbours sharing at least `overlap` tokens.

    Raises `ValueError` for settings with which that cannot be kept.
    """
    check(max_tokens, overlap)
    return [
        {"text": text[start:end], "start": start, "end": end, "heading": list(section.heading)}
        for section in together(text, max_tokens)
        for start, end in cut(text, section, max_tokens, overlap)
    ]


def together(text: str, max_tokens: int) -> Iterator[Section]:
    """Sections, small ones joined with what follows, so that no chunk is a bare heading."""
    held = None
    for section in sections(text):
        if held is not None:
            section.start, section.blocks = held.start, held.blocks + section.blocks
        held = section
        if tokens(text[section.start : section.end]) > max_tokens // 8:
            yield section
            held = None
    if held is not None:
        yield held


def check(max_tokens: int, overlap: int) -> None:
    if max_tokens < 64:
        raise ValueError(f"max_tokens is {max_tokens}; the least is 64")
    if not 0 <= 4 * overlap <= max_tokens:
        raise ValueError(f"overlap is {overlap}; from 0 to a quarter of max_tokens ({max_tokens})")
