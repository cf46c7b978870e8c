"""What the nightly export says about people and teams. Names are compared without case."""

from typing import Any

WRITES = {"write", "maintain", "admin"}


class Org:
    def __init__(self, data: dict[str, Any]) -> None:
        self._people = {name: (name, entry) for name, entry in data["people"].items()}
        self._teams = {name: entry for name, entry in data["teams"].items()}
        self._access = {name: level for name, level in data["access"].items()}
        self._rotations = {name: entry for name, entry in data["rotations"].items()}

    def is_team(self, name: str) -> bool:
        return name in self._teams

    def is_active(self, person: str) -> bool:
        _, entry = self._people.get(person, (None, {}))
        return entry.get("active") is True

    def rotation(self, team: str) -> Any:
        return self._rotations.get(team)

    def written(self, person: str) -> str:
        """The name as the export writes it."""
        return self._people[person][0]

    def trouble_with(self, owner: str) -> str | None:
        """Why an owner does not count, or None when it does."""
        if owner not in self._teams and owner not in self._people:
            return "unknown-owner"
        if not self.may_write(owner):
            return "no-write-access"
        if not self.active_people(owner):
            return "nobody-left"
        return None

    def may_write(self, owner: str) -> bool:
        holders = {owner}
        if self.is_team(owner):
            holders = self._with_ancestors(owner)
        else:
            for name, team in self._teams.items():
                if owner in (member for member in team["members"]):
                    holders |= self._with_ancestors(name)
        return any(self._access.get(holder) in WRITES for holder in holders)

    def active_people(self, owner: str) -> set[str]:
        """The owner, or a team's members and those of all teams below it; active ones only."""
        if not self.is_team(owner):
            return {self.written(owner)} if self.is_active(owner) else set()
        return {
            self.written(member)
            for name, team in self._teams.items()
            if owner in self._with_ancestors(name)
            for member in team["members"]
            if self.is_active(member)
        }

    def _with_ancestors(self, name: str) -> set[str]:
        """A team and all above it. An export with a circle of parents must not hang us."""
        found: set[str] = set()
        current: str | None = name
        while current is not None and current in self._teams and current not in found:
            found.add(current)
            parent = self._teams[current].get("parent")
            current = parent if parent else None
        return found
