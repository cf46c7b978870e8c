"""What stands against a plan."""

from collections.abc import Iterator
from typing import Any

from gate.plan import Change, Plan, mark_of
from gate.policy import Policy

#: No approval helps against these.
BLOCKING = {"stateful-destroyed", "protection-weakened", "missing-state"}


def findings(plan: Plan, policy: Policy) -> Iterator[dict[str, Any]]:
    if plan.managed_before < policy.minimum_managed:
        yield finding("missing-state")
    if sum(change.touches for change in plan.changes) > policy.max_changes:
        yield finding("blast-radius")
    if any(change.destroys for change in plan.changes):
        yield finding("blast-radius")
    for change in plan.changes:
        if not policy.disposable(change):
            yield from about(change, policy)


def about(change: Change, policy: Policy) -> Iterator[dict[str, Any]]:
    if change.destroys and change.type in policy.stateful_types:
        yield finding("stateful-destroyed", change)
    if change.before is None or change.after is None:
        return
    for attribute, safe in policy.protections.get(change.type, {}).items():
        if change.before.get(attribute) != safe:
            continue
        if mark_of(change.unknown, attribute):
            yield finding("protection-unknown", change, attribute)
        elif change.after.get(attribute) != safe:
            yield finding("protection-weakened", change, attribute)


def finding(kind: str, change: Change | None = None, attribute: str | None = None) -> Any:
    return {"kind": kind, "address": change and change.address, "attribute": attribute}
