"""The outcome of a grading, its JSON form and its rules. The schema is `verdict.schema.json`."""

import dataclasses
import enum
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

#: Raised whenever a field changes its meaning, goes, or becomes required.
SCHEMA_VERSION = 1


class Outcome(enum.StrEnum):
    """Of a behaviour (passed, failed, trouble) or of a whole verdict (these and refused)."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"
    TROUBLE = "trouble"


class Cause(enum.StrEnum):
    """Why a behaviour did not pass."""

    FAILED = "failed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    CRASHED = "crashed"
    TOO_MUCH_OUTPUT = "too much output"
    REFUSED = "refused submission"
    TROUBLE = "engine trouble"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a learner is told: on which made-up input, what was seen, what should have been.

    `timeline` has a line for each thing that happened, where time matters.
    """

    observed: str
    expected: str = ""
    given: str = ""
    timeline: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class BehaviourResult:
    """One behaviour's outcome. `cause` and `finding` are None exactly when it passed.

    `why` says what it costs in production where the behaviour does not hold.
    """

    id: str
    sentence: str
    group: str
    points: int
    outcome: Outcome
    cause: Cause | None = None
    finding: Finding | None = None
    seconds: float = 0.0
    why: str = ""

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASSED


@dataclasses.dataclass(frozen=True)
class Usage:
    """Peaks of the box, measured from outside it. None where the engine cannot tell."""

    cpu_seconds: float | None = None
    memory_mb: float | None = None
    processes: int | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of one grading of one submission."""

    kata: str
    title: str
    kata_hash: str
    submission_hash: str | None
    engine: str
    isolated: bool
    image: str | None
    grader: str
    seed: int
    behaviours: tuple[BehaviourResult, ...]
    usage: Usage = Usage()
    seconds: float = 0.0
    refusal: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Passed only if there are behaviours and each of them passed."""
        if self.refusal is not None:
            return Outcome.REFUSED
        if any(result.outcome is Outcome.TROUBLE for result in self.behaviours):
            return Outcome.TROUBLE
        if self.behaviours and all(result.passed for result in self.behaviours):
            return Outcome.PASSED
        return Outcome.FAILED

    @property
    def points(self) -> int:
        return sum(result.points for result in self.behaviours if result.passed)

    @property
    def points_possible(self) -> int:
        return sum(result.points for result in self.behaviours)

    def as_json(self) -> dict[str, Any]:
        """The versioned document that `verdict.schema.json` describes."""
        return {
            "schema": SCHEMA_VERSION,
            "kata": {"name": self.kata, "title": self.title, "hash": self.kata_hash},
            "submission": {"hash": self.submission_hash, "refusal": self.refusal},
            "engine": {"name": self.engine, "isolated": self.isolated, "image": self.image},
            "grader": self.grader,
            "seed": self.seed,
            "outcome": self.outcome.value,
            "points": {"earned": self.points, "possible": self.points_possible},
            "behaviours": [
                {
                    "id": result.id,
                    "sentence": result.sentence,
                    "why": result.why,
                    "group": result.group,
                    "outcome": result.outcome.value,
                    "cause": result.cause.value if result.cause else None,
                    "finding": dataclasses.asdict(result.finding) if result.finding else None,
                    "seconds": round(result.seconds, 3),
                    "points": {
                        "earned": result.points if result.passed else 0,
                        "possible": result.points,
                    },
                }
                for result in self.behaviours
            ],
            "usage": dataclasses.asdict(self.usage),
            "seconds": round(self.seconds, 3),
        }


def schema() -> Mapping[str, Any]:
    """The JSON Schema of `Verdict.as_json`."""
    text = resources.files("grader").joinpath("verdict.schema.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
