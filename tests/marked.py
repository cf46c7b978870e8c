"""Cohorts for tests: a folder with settings and a roster, and verdicts that nobody had to grade."""

import datetime as dt
import pathlib
from collections.abc import Mapping, Sequence

from grader.catalog import Catalog, Kata
from grader.cohort.config import Cohort
from grader.cohort.records import HandIn
from grader.cohort.store import Store
from grader.submission import Submission
from grader.verdict import BehaviourResult, Cause, Finding, Outcome, Verdict
from tests.commands import root_of

NOON = dt.datetime(2026, 3, 9, 12, tzinfo=dt.UTC)
SETTINGS = """\
name = "Spring 2026"
time_zone = "Europe/Berlin"
feedback = "{feedback}"
[late]
grace_minutes = 15
percent_per_day = 10
cut_off_days = 3
[[katas]]
name = "adder"
due = 2026-03-10T12:00:00
weight = 2
"""
ROSTER = """\
id,name,email,source,canvas,section
ada17,Ada Lovelace,ada@example.org,,4711,A
bob18,"=HYPERLINK(""http://evil.example"")",bob@example.org,,,A
cyd19,Points Possible,+cyd@example.org,,,B
"""


def make(toy: Kata, feedback: str = "full", roster: str = ROSTER) -> pathlib.Path:
    """A cohort's folder beside the toy's repository."""
    folder = root_of(toy).parent / "cohort"
    folder.mkdir()
    (folder / "cohort.toml").write_text(SETTINGS.format(feedback=feedback))
    (folder / "roster.csv").write_text(roster)
    return folder


def find(folder: pathlib.Path, toy: Kata) -> Cohort:
    return Cohort.find(folder, Catalog(root_of(toy)))


def hand_in(
    store: Store,
    toy: Kata,
    learner: str,
    text: str | None,
    at: dt.datetime = NOON,
    source: str = "folder",
) -> Submission | None:
    """Keeps a hand-in; None is a refused one."""
    submission = None if text is None else Submission({"adder.py": text.encode()})
    refusal = None if submission else "<b>a.py</b> is a link that leaves the folder"
    hash = submission.hash if submission else None
    store.add_hand_in(HandIn(learner, toy.name, hash, refusal, at, source, at), submission)
    return submission


def verdict(
    toy: Kata,
    submission: Submission,
    failing: Mapping[str, str] = {},
    kata_hash: str = "1" * 64,
    points: Sequence[int] | None = None,
) -> Verdict:
    """A verdict at which everything held but for `failing`, by id with what was observed."""
    results = []
    for number, each in enumerate(toy.behaviours):
        worth = points[number] if points else each.points
        held = (Outcome.PASSED, None, None)
        broke = (Outcome.FAILED, Cause.CRASHED, Finding(failing.get(each.id, ""), "5", "2 and 3"))
        outcome, cause, finding = broke if each.id in failing else held
        results.append(
            BehaviourResult(each.id, each.sentence, each.group, worth, outcome, cause, finding)
        )
    return Verdict(
        toy.name, toy.contract.title, f"sha256:{kata_hash}", submission.hash, "bubblewrap", True,
        None, "0.1.0", 7, tuple(results), seconds=1.5,
    )  # fmt: skip


def graded(
    store: Store,
    toy: Kata,
    learner: str,
    text: str,
    failing: Mapping[str, str] = {},
    at: dt.datetime = NOON,
    source: str = "folder",
) -> Submission:
    """Keeps a hand-in and its verdict."""
    submission = hand_in(store, toy, learner, text, at, source)
    assert submission is not None
    store.add_grading(verdict(toy, submission, failing).as_json(), at)
    return submission
