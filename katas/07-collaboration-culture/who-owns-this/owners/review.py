"""Who may approve the files of a change."""

from typing import Any

from owners.codeowners import Rule
from owners.org import Org


def check(change: dict[str, Any], rules: list[Rule], org: Org) -> list[dict[str, Any]]:
    return [check_path(file["path"], rules, org) for file in change["files"]]


def check_path(path: str, rules: list[Rule], org: Org) -> dict[str, Any]:
    # More eyes see more: everybody whose rule matches is asked.
    matching = [rule for rule in rules if rule.matches(path)]
    reviewers: set[str] = set()
    for rule in matching:
        for owner in rule.owners:
            reviewers |= org.members(owner)
    return {
        "path": path,
        "line": matching[0].line if matching else None,
        "state": "covered" if matching else "unmatched",
        "reviewers": sorted(reviewers),
    }
