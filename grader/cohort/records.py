"""What a cohort's database holds: its tables, and what stands in them as plain records."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sa


class _Utc(sa.TypeDecorator[dt.datetime]):
    """Aware times in and out, UTC in the table: SQLite knows no zones."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, _: object) -> dt.datetime | None:
        return value.astimezone(dt.UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: dt.datetime | None, _: object) -> dt.datetime | None:
        return value.replace(tzinfo=dt.UTC) if value else None


metadata = sa.MetaData()
SUBMISSION = sa.Table(
    "submission", metadata,
    sa.Column("kata", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
)  # fmt: skip
HAND_IN = sa.Table(
    "hand_in", metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("learner", sa.Text, nullable=False),
    sa.Column("kata", sa.Text, nullable=False),
    sa.Column("submission", sa.Text),
    sa.Column("refusal", sa.Text),
    sa.Column("at", _Utc, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("collected", _Utc, nullable=False),
    sa.Index("hand_in_learner", "learner", "kata"),
    sa.Index("hand_in_submission", "kata", "submission"),
)  # fmt: skip
GRADING = sa.Table(
    "grading", metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("submission", sa.Text, nullable=False),
    sa.Column("kata", sa.Text, nullable=False),
    sa.Column("edition", sa.Text, nullable=False),
    sa.Column("kata_hash", sa.Text, nullable=False),
    sa.Column("image", sa.Text, nullable=False),
    sa.Column("grader", sa.Text, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("points", sa.Integer, nullable=False),
    sa.Column("possible", sa.Integer, nullable=False),
    sa.Column("failing", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("at", _Utc, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Index("grading_submission", "kata", "submission"),
)  # fmt: skip
TROUBLE = sa.Table(
    "trouble", metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("submission", sa.Text, nullable=False),
    sa.Column("kata", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("at", _Utc, nullable=False),
    sa.Column("parked", sa.Boolean, nullable=False),
)  # fmt: skip
RULING = sa.Table(
    "ruling", metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("learner", sa.Text, nullable=False),
    sa.Column("kata", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("points", sa.Float),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at", _Utc, nullable=False),
    sa.Index("ruling_learner", "learner", "kata"),
)  # fmt: skip
RUN = sa.Table(
    "run", metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("begun", _Utc, nullable=False),
    sa.Column("seen", _Utc, nullable=False),
    sa.Column("ended", _Utc),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("due", sa.Integer, nullable=False),
    sa.Column("graded", sa.Integer, nullable=False),
    sa.Column("troubles", sa.Integer, nullable=False),
)  # fmt: skip
FACT = sa.Table(
    "fact", metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)  # fmt: skip

#: Points are added; or stand in place of what was graded; or what was graded counts again, without
#: either of those before; a kata counts no longer; or again.
Kind = Literal["adjustment", "set", "graded", "excused", "counted", "appeal", "answer"]


@dataclasses.dataclass(frozen=True, slots=True)
class HandIn:
    """One learner's work on one kata as it was handed in, or why it was refused."""

    learner: str
    kata: str
    #: Hash of the submission; None if it was refused, and then `refusal` says why.
    submission: str | None
    refusal: str | None
    #: When it was handed in, as far as its source can tell.
    at: dt.datetime
    #: Where from, in words that name nobody: "git 3f2a…", "moodle week3.zip".
    source: str
    collected: dt.datetime

    @property
    def id(self) -> str:
        """The same for the same hand-in, whenever it is collected."""
        return _digest(self.learner, self.kata, self.submission, self.refusal,
                       self.at.astimezone(dt.UTC).isoformat(), self.source)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Edition:
    """What a verdict on a submission depends on: the kata, what it ran on, and the grader."""

    kata_hash: str
    #: The engine's image, or its name where it has none.
    image: str
    grader: str

    @property
    def id(self) -> str:
        return _digest(self.kata_hash, self.image, self.grader)

    def key(self, submission: str) -> str:
        """The key of the grading of a submission (its hash) under this edition."""
        return _digest(submission, self.kata_hash, self.image, self.grader)


@dataclasses.dataclass(frozen=True, slots=True)
class Grading:
    """A verdict that is kept, but for its text, which `Store.verdict` gives."""

    key: str
    submission: str
    kata: str
    edition: str
    kata_hash: str
    image: str
    grader: str
    engine: str
    seed: int
    outcome: str
    points: int
    possible: int
    #: Ids of the behaviours that did not hold, in the kata's order.
    failing: tuple[str, ...]
    seconds: float
    at: dt.datetime


@dataclasses.dataclass(frozen=True)
class Trouble:
    """The engine's or grader's trouble with one grading. Parked: not tried again unless told."""

    key: str
    submission: str
    kata: str
    tries: int
    message: str
    at: dt.datetime
    parked: bool


@dataclasses.dataclass(frozen=True)
class Ruling:
    """What a person decided or asked: never changed, never lost by a regrade."""

    learner: str
    kata: str
    kind: Kind
    points: float | None
    author: str
    note: str
    at: dt.datetime
    id: int = 0


@dataclasses.dataclass(frozen=True)
class Run:
    """One call of the grader. `ended` is None while it runs, and for ever if it was killed."""

    id: int
    begun: dt.datetime
    #: The latest sign of life.
    seen: dt.datetime
    ended: dt.datetime | None
    engine: str
    slots: int
    due: int
    #: How much of that needs no grading any more, whoever did it; and how much is parked.
    graded: int
    troubles: int


def grading_row(verdict: Mapping[str, Any], at: dt.datetime) -> dict[str, Any]:
    """A verdict (as `Verdict.as_json` gives it) as a row of the table of gradings."""
    edition = edition_of(verdict)
    submission = verdict["submission"]["hash"]
    key = edition.key(submission)
    return {
        "key": key,
        "submission": submission,
        "kata": verdict["kata"]["name"],
        "edition": edition.id,
        **dataclasses.asdict(edition),
        "engine": verdict["engine"]["name"],
        "seed": verdict["seed"],
        "outcome": verdict["outcome"],
        "points": verdict["points"]["earned"],
        "possible": verdict["points"]["possible"],
        "failing": " ".join(
            each["id"] for each in verdict["behaviours"] if each["outcome"] != "passed"
        ),
        "seconds": verdict["seconds"],
        "at": at,
        # ASCII, because PostgreSQL's text holds neither NUL nor halves of surrogate pairs.
        "verdict": json.dumps(verdict, separators=(",", ":")),
    }


def edition_of(verdict: Mapping[str, Any]) -> Edition:
    """The edition that a verdict (as `Verdict.as_json` gives it) was given under."""
    engine = verdict["engine"]
    return Edition(verdict["kata"]["hash"], engine["image"] or engine["name"], verdict["grader"])


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
