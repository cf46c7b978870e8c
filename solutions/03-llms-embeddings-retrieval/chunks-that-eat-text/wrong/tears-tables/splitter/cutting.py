"""Where the chunks of a section begin and end."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from splitter.sections import Section
from splitter.size import tokens
from splitter.units import Unit, units

#: The tokenizer's pieces have 21 characters at most, and no token is longer than a piece.
LONGEST_TOKEN = 21


def cut(text: str, section: Section, max_tokens: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Start and end of each chunk."""
    parts = list(units(text, section.start, section.end))
    ruler = Ruler(text, parts)
    whole = [
        (start, end)
        for start, end in section.blocks
        if 3 * (tokens(text[start:end]) + overlap) <= 2 * max_tokens
    ]
    torn = [tears(whole, part.end) for part in parts]
    first, done = 0, -1
    while done + 1 < len(parts):
        last = furthest = ruler.last_within(first, max_tokens)
        while torn[last] and last > done and text[parts[last].end] != "\n":
            last -= 1
        if last <= done and first <= done:
            # No room for anything new: part of the overlap has to go.
            first += 1
            continue
        if last <= done:
            last = furthest
        yield parts[first].start, parts[last].end
        done = last
        first = ruler.next_first(first, last, overlap)


def tears(blocks: list[tuple[int, int]], at: int) -> bool:
    """Whether a cut at `at` goes through one of these blocks."""
    before = bisect_left(blocks, (at, at)) - 1
    return before >= 0 and at < blocks[before][1]


class Ruler:
    """Finds units by halving. What is compared is always counted: tokens do not add up."""

    def __init__(self, text: str, parts: list[Unit]) -> None:
        self.text = text
        self.starts = [*(part.start for part in parts), len(text)]
        self.ends = [part.end for part in parts]

    def tokens(self, first: int, last: int) -> int:
        return tokens(self.text[self.starts[first] : self.ends[last]])

    def last_within(self, first: int, limit: int) -> int:
        """The last unit of the longest chunk that begins with `first`, which alone always fits."""
        furthest = bisect_right(self.ends, self.starts[first] + LONGEST_TOKEN * limit)
        near = range(first, furthest)
        place = bisect_right(near, limit, key=lambda last: self.tokens(first, last))
        return near[place - 1]

    def next_first(self, first: int, last: int, least: int) -> int:
        """The last unit from which on a chunk of these two has `least` tokens; behind `first`."""
        back = range(last + 1, first, -1)
        place = bisect_left(back, least, key=lambda start: self.tokens(start, last))
        return back[min(place, len(back) - 1)]
