"""The sections of a Markdown text, with their blocks, as offsets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

LINE = re.compile(r"[^\n]*\n|[^\n]+")
HEADING = re.compile(r"(#{1,6}) (.*)")
FENCE = "```"


@dataclass
class Section:
    """`text[start:end]`, from its heading to the next one. `heading` is the path of titles."""

    heading: tuple[str, ...]
    start: int
    end: int
    #: Tables and fenced code, each from its first character to its last.
    blocks: list[tuple[int, int]] = field(default_factory=list)


def sections(text: str) -> Iterator[Section]:
    """The sections in order; what comes before the first heading is one as well."""
    path: list[tuple[int, str]] = []
    section = Section((), 0, 0)
    fence: int | None = None
    table = False
    for match in LINE.finditer(text):
        line = match[0].rstrip("\r\n")
        start, end = match.start(), match.start() + len(line)
        if fence is not None:
            section.blocks[-1] = (fence, end)
            if line.startswith(FENCE):
                fence = None
        elif line.startswith(FENCE):
            section.blocks.append((start, end))
            fence, table = start, False
        elif line.startswith("|"):
            begun = section.blocks.pop()[0] if table else start
            section.blocks.append((begun, end))
            table = True
        else:
            table = False
            if heading := HEADING.fullmatch(line):
                section.end = start
                yield section
                level = len(heading[1])
                path = [*(one for one in path if one[0] < level), (level, heading[2].strip())]
                section = Section(tuple(title for _, title in path), start, start)
    section.end = len(text)
    yield section
