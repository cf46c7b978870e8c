"""Packs pieces into chunks. All of the text is passed over; chunks lose only blanks at their ends."""

import re
import unicodedata
from collections import deque

from tokenizer import count

#: From coarse to fine: a piece is cut behind each match.
SEAMS = [r"\n\s*\n\s*", r"\n", r"(?<=[.!?。])\s+", r"\s+"]
WORDS = len(SEAMS)


def pack(text, pieces, max_tokens, overlap):
    """Start and end of each chunk of a section."""
    waiting = deque(
        (start, end, 0, block and 3 * (count(text[start:end].strip()) + overlap) <= 2 * max_tokens)
        for start, end, block in pieces
    )
    begin = stop = written = pieces[0][0]
    while waiting:
        start, end, level, keep = waiting[0]
        if count(text[begin:end].strip()) <= max_tokens:
            waiting.popleft()
            stop = end
            continue
        nothing_new = not text[written:stop].strip()
        finer = None
        if not keep and (nothing_new or 2 * count(text[begin:stop].strip()) < max_tokens):
            finer = split(text, start, end, level)
        if finer:
            waiting.popleft()
            waiting.extendleft(reversed(finer))
        elif nothing_new:
            begin = start  # no room for the overlap
        else:
            yield trimmed(text, begin, stop)
            written = stop
            begin = overlapping(text, begin, stop, overlap)
    if text[written:stop].strip():
        yield trimmed(text, begin, stop)


def split(text, start, end, level):
    """The parts of a piece, or None when it is one word, or one character, already."""
    while level <= WORDS:
        if level < WORDS:
            seams = [m.end() for m in re.compile(SEAMS[level]).finditer(text, start, end)]
        elif count(text[start:end].strip()) <= 12:
            return None
        else:
            seams = [at for at in range(start + 1, end) if may_cut(text, at, start)]
            if not seams or max(map(len_of, pairs([start, *seams, end]))) > 12:
                seams = range(start + 1, end)
        places = [start, *(at for at in seams if start < at < end), end]
        level += 1
        if len(places) > 2:
            return [(first, last, level, False) for first, last in pairs(places)]
    return None


def pairs(places):
    return list(zip(places, places[1:]))


def len_of(pair):
    return pair[1] - pair[0]


def overlapping(text, begin, stop, overlap):
    """Where the next chunk begins, so that it shares `overlap` tokens with text[begin:stop]."""
    if overlap == 0:
        return stop
    last = trimmed(text, begin, stop)[1]
    for word in reversed(list(re.compile(r"\S+").finditer(text, begin, last))):
        if count(word[0]) > 12:
            inner = [at for at in range(word.start() + 1, word.end()) if may_cut(text, at, begin)]
            for at in reversed(inner):
                if count(text[at:last]) >= overlap:
                    return at
        if word.start() > begin and count(text[word.start() : last]) >= overlap:
            return word.start()
    return stop  # the only start with enough overlap is where this chunk began


def trimmed(text, start, end):
    while text[start].isspace():
        start += 1
    while text[end - 1].isspace():
        end -= 1
    return start, end


def may_cut(text, at, floor):
    if text[at - 1] == "\u200d" or text[at] == "\u200d" or text[at] in "🏻🏼🏽🏾🏿":
        return False
    if unicodedata.category(text[at]) in ("Mn", "Mc", "Me"):
        return False
    flags = 0
    while at - flags > floor and "🇦" <= text[at - flags - 1] <= "🇿":
        flags += 1
    return not ("🇦" <= text[at] <= "🇿" and flags % 2)
