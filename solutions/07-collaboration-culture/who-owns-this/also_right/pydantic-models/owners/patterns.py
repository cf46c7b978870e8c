"""Patterns, spread out: each becomes plain globs that are compared part by part."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass
class Line:
    number: int
    pattern: str
    owners: list[str]

    def owns(self, path: str) -> bool:
        """Asks for the path and for each folder above it."""
        rest = path
        whole = not self.pattern.endswith("/")
        if whole and reaches(self.pattern, rest):
            return True
        if whole and re.search("./[*]$|^/[*]$", self.pattern) and not self.pattern.endswith("**"):
            return False
        while "/" in rest:
            rest = rest.rpartition("/")[0]
            if reaches(self.pattern.rstrip("/"), rest):
                return True
        return False


def reaches(pattern: str, path: str) -> bool:
    """Whether the pattern names exactly this file or folder."""
    wanted = pattern.removeprefix("/").split("/")
    if "/" not in pattern:
        wanted = ["**", *wanted]
    parts = path.split("/")
    reached = {0}  # how many parts can have been used up
    for i, glob in enumerate(wanted):
        if glob == "**":
            least = 1 if i == len(wanted) - 1 else 0
            reached = {end for start in reached for end in range(start + least, len(parts) + 1)}
        else:
            reached = {
                start + 1
                for start in reached
                if start < len(parts) and fnmatchcase(parts[start], glob)
            }
    return len(parts) in reached


def lines(text: str) -> list[Line]:
    found = []
    for number, line in enumerate(re.split("\r?\n", text), 1):
        content = re.split(r"(?:^|(?<=[ \t]))#", line)[0]
        if content.strip():
            pattern, *owners = content.split()
            found.append(Line(number, pattern, owners))
    return found
