"""What an environment allows. Every field has to be there: a typo must not open the gate."""

from dataclasses import dataclass
from typing import Any

from gate.inputs import Unfit
from gate.plan import Change, module_path

LISTS = ("stateful_types", "disposable_modules", "approvers")
NUMBERS = ("minimum_managed", "max_changes")


@dataclass(frozen=True)
class Policy:
    stateful_types: frozenset[str]
    disposable_modules: tuple[tuple[str, ...], ...]
    protections: dict[str, dict[str, Any]]
    minimum_managed: int
    max_changes: int
    approvers: frozenset[str]

    def disposable(self, change: Change) -> bool:
        """Whether the object lies in a disposable module, and did so before the plan as well."""
        return all(
            any(path[: len(module)] == module for module in self.disposable_modules)
            for path in map(module_path, (change.address, change.previous_address))
        )


def take_apart(data: dict[str, Any], what: object) -> Policy:
    for name in LISTS:
        found = data.get(name)
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise Unfit(f"{what}: {name} is not a list of texts")
    for name in NUMBERS:
        if type(data.get(name)) is not int or data[name] < 0:
            raise Unfit(f"{what}: {name} is not a whole number")
    protections = data.get("protections")
    if not isinstance(protections, dict) or not all(
        isinstance(values, dict) for values in protections.values()
    ):
        raise Unfit(f"{what}: protections is not an object of objects")
    return Policy(
        frozenset(data["stateful_types"]),
        tuple(module_path(module) for module in data["disposable_modules"]),
        protections,
        data["minimum_managed"],
        data["max_changes"],
        frozenset(name.casefold() for name in data["approvers"]),
    )
