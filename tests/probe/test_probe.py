"""Runs in the judge: compares what a box sees and does with the golden list beside this file."""

import json
import pathlib

from grader.box.seccomp import REFUSED
from grader.judge import expect

HERE = pathlib.Path(__file__)
GOLDEN = json.loads(HERE.with_name("golden.json").read_text("utf-8"))
#: What Docker's own filter refused to the same program, where there was a Docker.
GOLDEN_REFUSED = json.loads(HERE.with_name("refused.json").read_text("utf-8"))


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
    """No system call is open that Docker's default filter refuses."""
    refused = submission.call("adder:refused_numbers")
    left_open = sorted(set(GOLDEN_REFUSED) - set(refused))
    expect(left_open == [], observed=f"open: {left_open}", expected="none of these numbers")


def test_keeps_a_total(submission):
    """The third behaviour of the toy kata has nothing to say here."""
