"""Reads a CODEOWNERS file and says which of its rules decides about a path."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")

COMMENT = re.compile(r"(^|\s)#.*")
OWNER = re.compile(r"@[^\s@/]+(/[^\s@/]+)?")
INVALID = re.compile(r"^!|[\[\]\\]")


@dataclass(frozen=True)
class Rule:
    line: int
    owners: tuple[str, ...]
    regex: re.Pattern[str]


def locate(repo: Path) -> str | None:
    """The first CODEOWNERS file there is, whatever stands in it."""
    return next((place for place in PLACES if (repo / place).is_file()), None)


def parse(text: str) -> tuple[list[Rule], list[dict[str, Any]]]:
    """The rules, and the lines that had to be skipped."""
    rules, skipped = [], []
    for number, line in enumerate(text.split("\n"), 1):
        words = COMMENT.sub("", line).split()
        if not words:
            continue
        pattern, *owners = words
        strangers = [owner for owner in owners if not OWNER.fullmatch(owner)]
        if INVALID.search(pattern):
            skipped.append({"line": number, "kind": "invalid-pattern", "what": pattern})
        elif strangers:
            skipped.append({"line": number, "kind": "invalid-owner", "what": strangers[0]})
        else:
            rules.append(Rule(number, tuple(owners), translate(pattern)))
    return rules, skipped


def deciding(rules: Sequence[Rule], path: str) -> Rule | None:
    """The last rule that matches, whether it names owners or not."""
    return next((rule for rule in reversed(rules) if rule.regex.fullmatch(path)), None)


def translate(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression for whole paths."""
    pattern = pattern.lstrip("/")
    if pattern.endswith("/"):
        pattern += "*"
    return re.compile(f"(?:.*/)?{fnmatch.translate(pattern)}")
