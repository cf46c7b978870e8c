"""One array of the places where a text may be cut; the standard library's bisect finds the ends.

The chunks of a section are made about equally long, so that no section ends with a scrap.
"""

import math
import re
import unicodedata
from bisect import bisect_left, bisect_right

import numpy as np

import tokenizer

STRUCTURE = re.compile(
    r"^```[^\n]*(?:\n(?!```)[^\n]*)*(?:\n```[^\n]*|\Z)"  # fenced code
    r"|^\|[^\n]*(?:\n\|[^\n]*)*"  # a table
    r"|^(?P<marks>#{1,6}) (?P<title>[^\n]*)",
    re.MULTILINE,
)
FLAG_OR_CHARACTER = re.compile("[\U0001f1e6-\U0001f1ff]{2}|.", re.DOTALL)


def chunk(text, max_tokens=256, overlap=32):
    if max_tokens < 64:
        raise ValueError("max_tokens must be 64 or more")
    if overlap < 0:
        raise ValueError("overlap must not be negative")
    if overlap > max_tokens / 4:
        raise ValueError("overlap must not be more than a quarter of max_tokens")
    found = []
    for path, start, end, blocks in outline(text):
        whole = [
            (a, b)
            for a, b in blocks
            if tokenizer.count(text[a:b].rstrip()) + overlap <= max_tokens * 2 / 3
        ]
        for a, b in Cutter(text, start, end, whole).windows(max_tokens, overlap):
            found.append({"text": text[a:b], "start": a, "end": b, "heading": list(path)})
    return found


def outline(text):
    """(path, start, end, blocks) of each section."""
    titles, start, blocks = {}, 0, []
    for match in STRUCTURE.finditer(text):
        if not match["marks"]:
            blocks.append(match.span())
            continue
        yield titles.values(), start, match.start(), blocks
        level = len(match["marks"])
        titles = {one: title for one, title in titles.items() if one < level}
        titles[level] = match["title"].strip()
        start, blocks = match.start(), []
    yield titles.values(), start, len(text), blocks


class Cutter:
    def __init__(self, text, start, end, whole):
        self.text = text
        words = re.compile(r"\S+").finditer(text, start, end)
        inner = [place for word in words for place in self.places(word)]
        self.begins = np.array([a for a, _ in inner], dtype=np.int64)
        self.ends = np.array([b for _, b in inner], dtype=np.int64)
        allowed = np.ones(len(inner), dtype=bool)
        for a, b in whole:
            b = a + len(text[a:b].rstrip())
            first, last = np.searchsorted(self.ends, a, "right"), np.searchsorted(self.ends, b)
            allowed[first:last] = False
        self.good_ends = self.ends[allowed]

    def places(self, word):
        """The spans of a word that must stay together."""
        if tokenizer.count(word[0]) <= 12:
            return [word.span()]
        spans = []
        for match in FLAG_OR_CHARACTER.finditer(word[0]):
            a, b = (word.start() + at for at in match.span())
            before = word[0][match.start() - 1]
            if spans and self.belongs(match[0], before) and b - spans[-1][0] <= 12:
                spans[-1] = (spans[-1][0], b)
            else:
                spans.append((a, b))
        return spans

    @staticmethod
    def belongs(here, before):
        return (
            "\u200d" in (here, before)
            or unicodedata.category(here[0])[0] == "M"
            or 0x1F3FB <= ord(here[0]) <= 0x1F3FF
        )

    def size(self, a, b):
        return tokenizer.count(self.text[a:b])

    def windows(self, max_tokens, overlap):
        if not len(self.ends):
            return
        a, done, final = int(self.begins[0]), -1, int(self.ends[-1])
        while True:
            rest = self.size(a, min(final, a + 12 * max_tokens))
            target = max_tokens
            if rest > max_tokens:
                pieces = math.ceil((rest - overlap) / (max_tokens - overlap))
                even = math.ceil((rest - overlap) / pieces) + overlap
                target = max(even, max_tokens * 2 // 3)
            b = self.end(a, done, target, max_tokens)
            if b is not None:
                yield a, b
                if b == final:
                    return
                done = b
            following = int(self.begins[bisect_right(self.begins, a)])
            a = following if b is None else max(self.begin(b, overlap), following)

    def end(self, a, done, target, max_tokens):
        """The best end behind `done`: near the target, else wherever the limit allows."""
        for limit in (target, max_tokens):
            low = bisect_right(self.good_ends, max(done, a))
            high = bisect_right(self.good_ends, a + 20 * limit)
            at = bisect_right(
                self.good_ends, limit, low, max(low, high), key=lambda b: self.size(a, int(b))
            )
            while at > low and self.size(a, int(self.good_ends[at - 1])) > limit:
                at -= 1
            b = int(self.good_ends[at - 1]) if at > low else None
            if b is not None and (limit == max_tokens or 3 * self.size(a, b) > max_tokens):
                return b
        return None

    def begin(self, b, overlap):
        if overlap == 0:
            return int(self.begins[bisect_left(self.begins, b)])
        low = bisect_left(self.begins, b - 40 * overlap)
        high = bisect_left(self.begins, b)
        at = bisect_right(self.begins, -overlap, low, high, key=lambda a: -self.size(int(a), b))
        while at > 1 and self.size(int(self.begins[at - 1]), b) < overlap:
            at -= 1
        return int(self.begins[max(at - 1, 0)])
