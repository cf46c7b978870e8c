"""Who may approve the files of a change."""

from collections.abc import Sequence
from typing import Any

from owners.codeowners import Rule, deciding
from owners.org import Org


def check(change: dict[str, Any], rules: Sequence[Rule], org: Org) -> list[dict[str, Any]]:
    paths: dict[str, None] = {}  # a set that keeps its order
    for file in change["files"]:
        paths[file["path"]] = None
    return [check_path(path, change["author"], rules, org) for path in paths]


def check_path(path: str, author: str, rules: Sequence[Rule], org: Org) -> dict[str, Any]:
    rule = deciding(rules, path)
    reviewers: set[str] = set()
    if rule is None:
        state = "unmatched"
    elif not rule.owners:
        state = "cleared"
    else:
        for owner in rule.owners:
            if org.trouble_with(owner) is None:
                reviewers |= org.active_people(owner)
        reviewers = {person for person in reviewers if person.lower() != author.lower()}
        state = "covered" if reviewers else "stranded"
    return {
        "path": path,
        "line": rule.line if rule else None,
        "state": state,
        "reviewers": sorted(reviewers),
    }


def dead_owners(rule: Rule, org: Org) -> list[dict[str, Any]]:
    """The owners of a rule that do not count, each with its reason."""
    return [
        {"line": rule.line, "kind": kind, "what": owner}
        for owner in rule.owners
        if (kind := org.trouble_with(owner)) is not None
    ]
