"""What a plan changes, for the people who are to approve it."""

from collections.abc import Iterator
from typing import Any

from gate.plan import Change, Plan, mark_of

SENSITIVE = "(sensitive)"
UNKNOWN = "(known after apply)"


def changes(plan: Plan) -> Iterator[dict[str, Any]]:
    for change in plan.changes:
        if change.actions != ("no-op",):
            yield {
                "address": change.address,
                "deposed": change.deposed,
                "actions": list(change.actions),
                "attributes": attributes(change),
            }


def attributes(change: Change) -> dict[str, Any]:
    """The attributes that differ, with what they were and what they will be."""
    before, after = change.before or {}, change.after or {}
    names = before.keys() | after.keys()
    if isinstance(change.unknown, dict):
        names |= change.unknown.keys()
    differing = {}
    for name in sorted(names):
        old, new = before.get(name), after.get(name)
        if mark_of(change.unknown, name):
            new = UNKNOWN
        if old == new:
            continue
        if any(marks is True or (isinstance(marks, dict) and name in marks) for marks in change.sensitive):
            old = new = SENSITIVE
        differing[name] = {"before": old, "after": new}
    return differing
