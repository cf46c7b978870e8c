"""What the nightly export says about people and teams."""

from typing import Any


class Org:
    def __init__(self, data: dict[str, Any]) -> None:
        self.people = data["people"]
        self.teams = data["teams"]
        self.rotations = data["rotations"]

    def members(self, owner: str) -> set[str]:
        """The people behind an owner."""
        if owner in self.teams:
            return set(self.teams[owner]["members"])
        return {owner}
