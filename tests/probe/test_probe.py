"""Runs in the judge: compares what a box sees and does with the golden list beside this file."""

import json
import pathlib

from grader.box.seccomp import REFUSED
from grader.judge import expect

GOLDEN = json.loads(pathlib.Path(__file__).with_name("golden.json").read_text("utf-8"))


def test_adds(submission):
    seen = submission.call("adder:look", {name: list(numbers) for name, numbers in REFUSED.items()})
    for key in sorted(set(seen) | set(GOLDEN)):
        expect(
            seen.get(key) == GOLDEN.get(key),
            observed=json.dumps(seen.get(key)),
            expected=json.dumps(GOLDEN.get(key)),
            given=key,
        )


def test_adds_as_a_command(submission):
    """The other behaviours of the toy kata have nothing to say here."""


def test_keeps_a_total(submission):
    """As above."""
