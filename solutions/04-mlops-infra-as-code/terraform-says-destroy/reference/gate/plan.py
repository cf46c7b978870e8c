"""A plan as `terraform show -json` prints it, reduced to what the rules ask about."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gate.inputs import Unfit

ACTIONS = {"no-op", "create", "read", "update", "delete", "forget"}
KEY = re.compile(r'\[(?:\d+|"(?:[^"\\]|\\.)*")\]')


@dataclass(frozen=True)
class Change:
    """What happens to one object. The same address may come twice: deposed objects."""

    address: str
    previous_address: str
    deposed: str | None
    type: str
    actions: tuple[str, ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    unknown: Any
    sensitive: tuple[Any, Any]

    @property
    def destroys(self) -> bool:
        return "delete" in self.actions

    @property
    def touches(self) -> bool:
        """Whether something happens to the object itself, rather than to the state."""
        return bool({"create", "update", "delete"} & set(self.actions))


@dataclass(frozen=True)
class Plan:
    changes: tuple[Change, ...]
    managed_before: int


def take_apart(data: dict[str, Any], what: object) -> Plan:
    version = data.get("format_version")
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise Unfit(f"{what}: its format version is not 1.x")
    if data.get("errored"):
        raise Unfit(f"{what}: Terraform did not finish this plan")
    entries = data.get("resource_changes") or []
    if not isinstance(entries, list):
        raise Unfit(f"{what}: resource_changes is not a list")
    changes = [change(entry, f"{what}: change {i}") for i, entry in enumerate(entries, 1)]
    state = part(part(data, "prior_state"), "values")
    managed = sum(resource.get("mode") == "managed" for resource in resources(state))
    return Plan(tuple(found for found in changes if found is not None), managed)


def change(entry: Any, what: str) -> Change | None:
    """A change of a managed object; None for data sources."""
    body = part(entry, "change")
    actions = body.get("actions")
    names = [entry.get(name) for name in ("address", "mode", "type")] if body else []
    if not all(isinstance(name, str) for name in names) or not isinstance(actions, list):
        raise Unfit(f"{what} lacks address, mode, type or actions")
    if not actions or not all(isinstance(word, str) and word in ACTIONS for word in actions):
        raise Unfit(f"{what} has an action that this gate does not know")
    if entry["mode"] != "managed":
        return None
    for side in ("before", "after"):
        if not isinstance(body.get(side), dict | None):
            raise Unfit(f"{what}: {side} is not an object")
    return Change(
        entry["address"],
        entry.get("previous_address") or entry["address"],
        entry.get("deposed"),
        entry["type"],
        tuple(actions),
        body.get("before"),
        body.get("after"),
        body.get("after_unknown"),
        (body.get("before_sensitive"), body.get("after_sensitive")),
    )


def resources(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All resource instances of a state, those in child modules too."""
    modules = [part(state, "root_module")]
    while modules:
        module = modules.pop()
        yield from module.get("resources") or []
        modules += module.get("child_modules") or []


def part(data: Any, name: str) -> dict[str, Any]:
    """An object within an object; Terraform leaves out what is empty."""
    found = data.get(name) if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def module_path(address: str) -> tuple[str, ...]:
    """The names of the modules around an address, without their instance keys."""
    words = KEY.sub("", address).split(".")
    path = []
    while words[0] == "module" and len(words) > 1:
        path.append(words[1])
        words = words[2:] or [""]
    return tuple(path)


def marked(mark: Any) -> bool:
    """Whether a mark of Terraform's (unknown, sensitive) says yes anywhere. `{}` says no."""
    if isinstance(mark, dict):
        return any(marked(inner) for inner in mark.values())
    if isinstance(mark, list):
        return any(marked(inner) for inner in mark)
    return mark is True


def mark_of(marks: Any, attribute: str) -> bool:
    """The same for one attribute; `true` in place of an object holds for all."""
    return marks is True or (isinstance(marks, dict) and marked(marks.get(attribute)))
