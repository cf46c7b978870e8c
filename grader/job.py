"""What the host asks a judge to do, as it travels over the judge's channel."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Job:
    """One grading. `files` is the whole tree in the box; `submitted` names the learner's part.

    `zygote` is the abstract Unix address that boxes come from; without one there is a single box,
    which listens on `port` of this loopback. `lanes` is how many boxes share the behaviours.
    """

    kata: str
    hidden: Mapping[str, bytes]
    behaviours: list[str]
    files: Mapping[str, bytes]
    submitted: list[str]
    seed: int
    limits: dict[str, int]
    preload: list[str]
    port: int
    zygote: str | None
    lanes: int

    def as_message(self) -> dict[str, Any]:
        return {"grade": dataclasses.asdict(self)}
