"""Findings and what follows from them."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from gate.addresses import within
from gate.models import Entry, Plan, Policy


class Kind(Enum):
    STATEFUL_DESTROYED = "stateful-destroyed"
    PROTECTION_WEAKENED = "protection-weakened"
    MISSING_STATE = "missing-state"
    PROTECTION_UNKNOWN = "protection-unknown"
    BLAST_RADIUS = "blast-radius"

    @property
    def blocks(self) -> bool:
        return self not in (Kind.PROTECTION_UNKNOWN, Kind.BLAST_RADIUS)


class Finding(NamedTuple):
    kind: Kind
    address: str | None = None
    attribute: str | None = None


def inspect(plan: Plan, policy: Policy) -> Iterator[Finding]:
    managed = [entry for entry in plan.resource_changes if entry.mode == "managed"]
    touched = [entry for entry in managed if not set(entry.change.actions) <= INERT]
    if len(touched) > policy.max_changes:
        yield Finding(Kind.BLAST_RADIUS)
    if plan.prior_state.values.root_module.managed() < policy.minimum_managed:
        yield Finding(Kind.MISSING_STATE)
    for entry in managed:
        places = {entry.address, entry.previous_address or entry.address}
        if all(any(within(place, m) for m in policy.disposable_modules) for place in places):
            continue
        if "delete" in entry.change.actions and entry.type in policy.stateful_types:
            yield Finding(Kind.STATEFUL_DESTROYED, entry.address)
        yield from lost(entry, policy.protections.get(entry.type, {}))


INERT = {"no-op", "read", "forget"}


def lost(entry: Entry, protections: dict[str, Any]) -> Iterator[Finding]:
    before, after = entry.change.before, entry.change.after
    if before is None or after is None:
        return
    for name, safe in protections.items():
        protected = name in before and before[name] == safe
        if protected and leaves(pick(entry.change.after_unknown, name)):
            yield Finding(Kind.PROTECTION_UNKNOWN, entry.address, name)
        elif protected and (name not in after or after[name] != safe):
            yield Finding(Kind.PROTECTION_WEAKENED, entry.address, name)


def differing(entry: Entry) -> dict[str, Any]:
    body = entry.change
    before, after = dict(body.before or {}), dict(body.after or {})
    if isinstance(body.after_unknown, dict):
        for name, mark in body.after_unknown.items():
            if leaves(mark):
                after[name] = "(known after apply)"
    shown = {}
    for name in {**before, **after}:
        if before.get(name) == after.get(name):
            continue
        pair = {"before": before.get(name), "after": after.get(name)}
        if leaves(pick(body.before_sensitive, name)) or leaves(pick(body.after_sensitive, name)):
            pair = dict.fromkeys(pair, "(sensitive)")
        shown[name] = pair
    return shown


def pick(marks: Any, name: str) -> Any:
    return marks.get(name) if isinstance(marks, dict) else marks


def leaves(mark: Any) -> bool:
    """Is any leaf of this mark true?"""
    todo = [mark]
    while todo:
        match todo.pop():
            case True:
                return True
            case dict() as inner:
                todo += inner.values()
            case list() as inner:
                todo += inner
    return False
