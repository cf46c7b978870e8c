"""Reads a CODEOWNERS file and says which of its rules decides about a path."""

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
    """All rules that match, as one: the more eyes the better."""
    matching = [rule for rule in rules if rule.regex.fullmatch(path)]
    if not matching:
        return None
    owners = tuple(owner for rule in matching for owner in rule.owners)
    return Rule(matching[-1].line, owners, matching[-1].regex)


def translate(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression for whole paths."""
    parts = pattern.strip("/").split("/")
    if "/" not in pattern.rstrip("/"):
        parts.insert(0, "**")  # no slash but the last: at any depth
    *folders, last = parts
    regex = "".join("(?:[^/]+/)*" if part == "**" else one_part(part) + "/" for part in folders)
    regex += ".+" if last == "**" else one_part(last)
    if pattern.endswith("/"):
        regex += "/.+"  # only what lies in a folder of that name
    elif last not in ("*", "**"):
        regex += "(?:/.+)?"  # the file, or all that lies in the folder
    return re.compile(regex, re.DOTALL)


def one_part(part: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(character, re.escape(character)) for character in part)
