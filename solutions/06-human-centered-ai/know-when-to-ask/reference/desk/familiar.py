"""Is a letter like those that the evidence was made of?"""

from collections.abc import Mapping, Sequence
from typing import Any

from desk.tables import Evidence, number

TEXTS = ("site", "channel", "proposal")
NUMBERS = ("age", "pages")


def known(rows: Sequence[Evidence]) -> dict[str, list[Any]]:
    """Every value of the texts, the smallest and the largest of the numbers."""
    texts = {name: sorted({getattr(row, name) for row in rows}) for name in TEXTS}
    numbers = {name: [getattr(row, name) for row in rows] for name in NUMBERS}
    return {**texts, **{name: [min(all_), max(all_)] for name, all_ in numbers.items()}}


def strange(letter: Mapping[str, str], known: Mapping[str, Sequence[Any]]) -> str | None:
    """What is unlike the evidence, in words for the nurse; None if nothing is."""
    for name in TEXTS:
        if letter[name] not in known[name]:
            return f"{name} {letter[name]!r} has not been seen before"
    for name in NUMBERS:
        value, (least, most) = number(letter[name]), known[name]
        if value is None:
            return f"{name} {letter[name]!r} is not a number"
        if not least <= value <= most:
            return f"{name} {letter[name]} is outside {least:g} to {most:g}"
    confidence = number(letter["confidence"])
    if confidence is None or not 0 <= confidence <= 1:
        return f"confidence {letter['confidence']!r} is not between 0 and 1"
    return None
