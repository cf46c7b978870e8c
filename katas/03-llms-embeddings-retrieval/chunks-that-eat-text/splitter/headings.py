"""Where the sections of a manual begin, and what they are called."""

import re
from collections.abc import Iterator

HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)


def sections(text: str) -> Iterator[tuple[list[str], int, int]]:
    """Heading path, start and end of each section. A section begins with its heading."""
    path: list[str] = []
    start = 0
    for match in HEADING.finditer(text):
        yield path, start, match.start()
        level = len(match[1])
        path = [*path[: level - 1], match[2]]
        start = match.start()
    yield path, start, len(text)
