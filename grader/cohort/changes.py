"""What another edition of a kata changes: marks, and the behaviours that are why."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from grader.cohort.marks import Gradebook, Mark
from grader.cohort.store import Store


@dataclasses.dataclass(frozen=True)
class Beside:
    """One behaviour under the old and the new version of a kata; "" where a version lacks it."""

    id: str
    sentence: str
    before: str
    after: str
    points_before: int
    points_after: int

    @property
    def differs(self) -> bool:
        return (self.before, self.points_before) != (self.after, self.points_after)


@dataclasses.dataclass(frozen=True)
class Change:
    """A mark that another edition of a kata changes, and the behaviours that are why."""

    learner: str
    kata: str
    before: Mark
    after: Mark
    behaviours: Sequence[Beside]

    @property
    def reasons(self) -> list[str]:
        """Why the mark changes, in plain words."""
        lines = [
            f"{each.id}: {each.before or 'not there'} -> {each.after or 'not there'}, "
            f"{each.points_before} -> {each.points_after} points"
            for each in self.behaviours
            if each.differs
        ]
        if self.before.possible != self.after.possible:
            lines.append(f"points possible: {self.before.possible} -> {self.after.possible}")
        if self.before.hand_in != self.after.hand_in and self.before.hand_in and self.after.hand_in:
            lines.append("another attempt is the best one now")
        if self.before.state != self.after.state:
            lines.append(f"{self.before.state} -> {self.after.state}")
        return lines


def compare(before: Gradebook, after: Gradebook, store: Store) -> list[Change]:
    """What differs between two gradebooks of the same moment and learners."""
    changes = []
    read = functools.lru_cache(maxsize=None)(store.verdict)
    for (learner, kata), old in before.marks.items():
        new = after.marks[learner, kata]
        # Nothing of what is possible is nothing, however much that is.
        scales = (each.points and each.possible for each in (old, new))
        if (old.points, old.state) != (new.points, new.state) or len(set(scales)) > 1:
            verdicts = ({} if each.grading is None else read(each.grading) for each in (old, new))
            changes.append(Change(learner, kata, old, new, side_by_side(*verdicts)))
    return changes


def side_by_side(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Beside]:
    """The behaviours of two verdicts (as `Verdict.as_json`), in the order of the newer one."""
    old, new = ({each["id"]: each for each in verdict.get("behaviours", ())}
                for verdict in (before, after))  # fmt: skip
    return [
        Beside(
            id,
            (new.get(id) or old[id])["sentence"],
            _outcome(old.get(id)),
            _outcome(new.get(id)),
            old[id]["points"]["earned"] if id in old else 0,
            new[id]["points"]["earned"] if id in new else 0,
        )
        for id in {**new, **old}
    ]


def _outcome(behaviour: Mapping[str, Any] | None) -> str:
    """Passed, or the cause for which it did not."""
    if behaviour is None:
        return ""
    return str(behaviour["cause"] or behaviour["outcome"])
