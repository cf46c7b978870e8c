"""Reads a CODEOWNERS file and says which of its rules match a path."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

PLACES = ("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS")


@dataclass(frozen=True)
class Rule:
    line: int
    pattern: str
    owners: tuple[str, ...]

    def matches(self, path: str) -> bool:
        path = path.lower()
        pattern = self.pattern.lstrip("/")
        if pattern.endswith("/"):
            pattern += "*"
        return fnmatch(path, pattern) or fnmatch(PurePosixPath(path).name, pattern)


def locate(repo: Path) -> str | None:
    """The CODEOWNERS file, as a path in the repository."""
    for place in PLACES:
        if (repo / place).is_file():
            return place
    return None


def parse(text: str) -> list[Rule]:
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        # Names on GitHub do not care about case.
        line = line.partition("#")[0].strip().lower()
        if not line:
            continue
        pattern, *owners = line.split()
        if owners:
            rules.append(Rule(number, pattern, tuple(owners)))
    return rules
