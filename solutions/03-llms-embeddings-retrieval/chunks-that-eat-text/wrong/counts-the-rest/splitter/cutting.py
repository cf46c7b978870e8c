"""Where the chunks of a section begin and end."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate

from splitter.sections import Section
from splitter.size import tokens
from splitter.units import Unit, units


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
        while torn[last] and last > done:
            last -= 1
        if last <= done and first <= done:
            # No room for anything new: part of the overlap has to go.
            first += 1
            continue
        if last <= done:
            last = furthest
        yield parts[first].start, parts[last].end
        done = last
        first = max(ruler.first_reaching(last, overlap), first + 1)


def tears(blocks: list[tuple[int, int]], at: int) -> bool:
    """Whether a cut at `at` goes through one of these blocks."""
    before = bisect_left(blocks, (at, at)) - 1
    return before >= 0 and blocks[before][0] < at < blocks[before][1]


class Ruler:
    """Finds units by tokens: guesses from sums, then counts, because tokens do not add up."""

    def __init__(self, text: str, parts: list[Unit]) -> None:
        self.text = text
        self.parts = parts
        self.sums = [0.0, *accumulate(part.cost for part in parts)]

    def tokens(self, first: int, last: int) -> int:
        return tokens(self.text[self.parts[first].start : self.parts[last].end])

    def last_within(self, first: int, limit: int) -> int:
        """The last unit of the longest chunk that begins with `first`."""
        if self.tokens(first, len(self.parts) - 1) <= limit:
            return len(self.parts) - 1
        guess = bisect_right(self.sums, self.sums[first] + limit) - 2
        last = max(first, guess)
        while last > first and self.tokens(first, last) > limit:
            last -= 1
        while last + 1 < len(self.parts) and self.tokens(first, last + 1) <= limit:
            last += 1
        return last

    def first_reaching(self, last: int, least: int) -> int:
        """The first unit of the shortest text that ends with `last` and has `least` tokens."""
        if least == 0:
            return last + 1
        first = min(max(bisect_right(self.sums, self.sums[last + 1] - least) - 1, 0), last)
        while first > 0 and self.tokens(first, last) < least:
            first -= 1
        while first < last and self.tokens(first + 1, last) >= least:
            first += 1
        return first
