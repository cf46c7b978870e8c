"""What a learner has done so far, in one local file that can be deleted at any time."""

import contextlib
import dataclasses
import enum
import os
import pathlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pydantic

from grader.catalog import Kata
from grader.submission import is_changed
from grader.verdict import Outcome, Verdict

#: Below the repository's root; git ignores it.
FOLDER = ".kata"
_Kind = Literal["attempt", "hint", "solution"]


class State(enum.StrEnum):
    """How far a learner is with a kata."""

    NOT_ATTEMPTED = "not attempted"
    IN_WORK = "in work"
    PASSED = "passed"


@dataclasses.dataclass(frozen=True)
class Record:
    """What is known of one kata. Times are aware and in UTC."""

    state: State
    #: Verdicts that say something of the learner's code: neither the grader's trouble nor what is
    #: told of an untouched starter.
    attempts: int
    #: How many hints have been shown; the README may have fewer by now.
    hints: int
    #: Of the best attempt; 0 and the kata's sum before there is one.
    points: int
    possible: int
    #: Ids of the behaviours that did not hold at the latest attempt.
    failing: tuple[str, ...]
    #: The first and the latest thing that was noted, and the first pass.
    first: datetime | None
    latest: datetime | None
    passed: datetime | None


def suggested(records: Sequence[tuple[Kata, Record]]) -> Kata | None:
    """The kata to go on with: the latest in work, else the first that has not passed."""
    in_work = [(kata, record) for kata, record in records if record.state is State.IN_WORK]
    if in_work:
        never = datetime.min.replace(tzinfo=UTC)
        return max(in_work, key=lambda pair: pair[1].latest or never)[0]
    left = [kata for kata, record in records if record.state is State.NOT_ATTEMPTED]
    return left[0] if left else None


class _Event(pydantic.BaseModel):
    """One line of the file."""

    model_config = pydantic.ConfigDict(frozen=True)

    at: Annotated[
        pydantic.AwareDatetime, pydantic.AfterValidator(lambda time: time.astimezone(UTC))
    ]
    kata: str
    event: _Kind
    # Of attempts only.
    outcome: Outcome | None = None
    submission: str | None = None
    points: int = 0
    possible: int = 0
    failing: tuple[str, ...] = ()


class Progress:
    """The events noted so far. A damaged line counts as absent, a damaged file as empty."""

    def __init__(self, root: pathlib.Path) -> None:
        self._path = root / FOLDER / "progress.jsonl"
        self._events: list[_Event] = []
        lines: list[bytes] = []
        with contextlib.suppress(OSError):
            # A pipe in its place would be waited for without an end.
            lines = self._path.read_bytes().splitlines() if self._path.is_file() else []
        for line in lines:
            with contextlib.suppress(pydantic.ValidationError, OverflowError):
                self._events.append(_Event.model_validate_json(line))

    def add(self, verdict: Verdict) -> None:
        """Notes one attempt; a verdict that tells of the grader's trouble is none."""
        if verdict.outcome is Outcome.TROUBLE:
            return
        self._note(
            verdict.kata,
            "attempt",
            outcome=verdict.outcome,
            submission=verdict.submission_hash,
            points=verdict.points,
            possible=verdict.points_possible,
            failing=tuple(each.id for each in verdict.behaviours if not each.passed),
        )

    def next_hint(self, kata: Kata) -> int:
        """Notes one hint more and returns its number, from 1; the last one again and again."""
        shown = self._count(kata, "hint")
        if shown >= len(kata.hints):
            return len(kata.hints)
        self._note(kata.name, "hint")
        return shown + 1

    def ask_for_solution(self, kata: Kata) -> bool:
        """Notes that the solution was asked for; whether it had been before.

        Where that cannot be remembered, the first time counts as the second.
        """
        asked = self._count(kata, "solution") > 0
        return not self._note(kata.name, "solution") or asked

    def hints(self, kata: Kata) -> int:
        """How many hints have been asked for."""
        return self._count(kata, "hint")

    def of(self, kata: Kata) -> Record:
        """What is known of a kata; files that differ from the starter count as work, too."""
        events = [
            event
            for event in self._events
            if event.kata == kata.name and event.submission != kata.contract.starter
        ]
        attempts = [event for event in events if event.event == "attempt"]
        passed = [event.at for event in attempts if event.outcome is Outcome.PASSED]
        times = [event.at for event in events]
        best = max(attempts[::-1], key=lambda e: e.points / max(e.possible, 1), default=None)
        known = {behaviour.id for behaviour in kata.behaviours}
        if passed:
            state = State.PASSED
        elif events or is_changed(kata):
            state = State.IN_WORK
        else:
            state = State.NOT_ATTEMPTED
        return Record(
            state=state,
            attempts=len(attempts),
            hints=self.hints(kata),
            points=best.points if best else 0,
            possible=best.possible if best else sum(each.points for each in kata.behaviours),
            failing=tuple(id for id in attempts[-1].failing if id in known) if attempts else (),
            first=min(times, default=None),
            latest=max(times, default=None),
            passed=min(passed, default=None),
        )

    def suggestion(self, katas: Sequence[Kata]) -> Kata | None:
        """The kata to go on with; see `suggested`."""
        return suggested([(kata, self.of(kata)) for kata in katas])

    def _count(self, kata: Kata, event: str) -> int:
        return sum(each.kata == kata.name and each.event == event for each in self._events)

    def _note(self, kata: str, event: _Kind, **details: Any) -> bool:
        """Appends one line; False if it is remembered for this process only."""
        noted = _Event(at=datetime.now(UTC), kata=kata, event=event, **details)
        self._events.append(noted)
        line = noted.model_dump_json(exclude_defaults=True).encode() + b"\n"
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            with self._path.open("ab+") as stream:
                if stream.tell():
                    stream.seek(-1, os.SEEK_END)
                    # After a line that was cut off, the new one still gets a line of its own.
                    line = line if stream.read(1) == b"\n" else b"\n" + line
                stream.write(line)
            return True
        return False
