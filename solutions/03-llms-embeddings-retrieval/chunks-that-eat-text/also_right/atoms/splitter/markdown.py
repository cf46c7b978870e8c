"""Sections as lists of pieces: (start, end, whether it is a table or fenced code)."""

import re

HEADING = re.compile(r"(#{1,6}) (.*)", re.DOTALL)


def kinds(text):
    """For each line: start, end with its line end, and what it is."""
    at, in_fence = 0, False
    for line in text.split("\n"):
        end = min(at + len(line) + 1, len(text))
        if line.startswith("```"):
            kind = "fence end" if in_fence else "fence start"
            in_fence = not in_fence
        elif in_fence:
            kind = "fence"
        elif line.startswith("|"):
            kind = "table"
        elif HEADING.match(line):
            kind = "heading"
        else:
            kind = "text" if line.strip() else "blank"
        yield at, end, kind, line
        at = end


def sections(text):
    path, pieces, before = [], [], ""
    for start, end, kind, line in kinds(text):
        if kind == "heading":
            if pieces:
                yield titles(path), pieces
            level, title = len(HEADING.match(line)[1]), HEADING.match(line)[2]
            path = [step for step in path if step[0] < level] + [(level, title.strip())]
            pieces = []
        more_of_it = (
            kind in ("fence", "fence end", "blank")
            or kind == before == "table"
            or (kind == "text" and before in ("text", "heading"))
        )
        if pieces and more_of_it:
            pieces[-1] = (pieces[-1][0], end, pieces[-1][2])
        else:
            pieces.append((start, end, kind in ("fence start", "table")))
        before = kind
    if pieces:
        yield titles(path), pieces


def titles(path):
    return [title for _, title in path]
