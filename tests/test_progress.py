"""What is remembered of a learner, and that nothing else depends on the file."""

import dataclasses
import os
import shutil
from datetime import UTC

import pytest

from grader.catalog import Catalog, Kata
from grader.progress import Progress, State
from grader.verdict import BehaviourResult, Cause, Finding, Outcome, Verdict
from tests.commands import root_of, solve


def verdict(
    kata: Kata, *held: str, cause: Cause = Cause.FAILED, submission: str = "sha256:0"
) -> Verdict:
    """A verdict in which these behaviours held."""
    outcome = Outcome.TROUBLE if cause is Cause.TROUBLE else Outcome.FAILED
    results = [
        BehaviourResult(b.id, b.sentence, b.group, b.points, Outcome.PASSED)
        if b.id in held
        else BehaviourResult(b.id, b.sentence, b.group, b.points, outcome, cause, Finding("no"))
        for b in kata.behaviours
    ]
    return Verdict(
        kata=kata.name,
        title=kata.contract.title,
        kata_hash="",
        submission_hash=submission,
        engine="process",
        isolated=False,
        image=None,
        grader="1",
        seed=1,
        behaviours=tuple(results),
    )


ALL = ("adds", "adds-as-a-command", "keeps-a-total")


def again(toy: Kata) -> Progress:
    """As the next process sees it."""
    return Progress(root_of(toy))


def test_not_attempted(toy: Kata) -> None:
    record = again(toy).of(toy)
    assert record.state is State.NOT_ATTEMPTED
    assert (record.attempts, record.hints, record.points, record.possible) == (0, 0, 0, 4)
    assert (record.failing, record.first, record.latest, record.passed) == ((), None, None, None)
    assert not (root_of(toy) / ".kata").exists()


def test_changed_files_are_work(toy: Kata) -> None:
    solve(toy)
    record = again(toy).of(toy)
    assert (record.state, record.attempts, record.latest) == (State.IN_WORK, 0, None)


def test_attempts(toy: Kata) -> None:
    again(toy).add(verdict(toy, "adds"))
    again(toy).add(verdict(toy))
    record = again(toy).of(toy)
    assert (record.state, record.attempts) == (State.IN_WORK, 2)
    assert (record.points, record.possible) == (2, 4)
    assert record.failing == ALL
    assert record.first is not None
    assert record.latest is not None
    assert record.first.tzinfo is UTC
    assert record.first <= record.latest
    assert record.passed is None


def test_a_pass_stays(toy: Kata) -> None:
    again(toy).add(verdict(toy, *ALL))
    again(toy).add(verdict(toy, "adds", "keeps-a-total"))
    record = again(toy).of(toy)
    assert (record.state, record.points, record.attempts) == (State.PASSED, 4, 2)
    assert record.failing == ("adds-as-a-command",)
    assert record.passed == record.first


def test_trouble_is_no_attempt(toy: Kata) -> None:
    again(toy).add(verdict(toy, "adds", cause=Cause.TROUBLE))
    assert again(toy).of(toy).state is State.NOT_ATTEMPTED


def test_an_untouched_starter_is_no_attempt(toy: Kata) -> None:
    again(toy).add(verdict(toy, submission=toy.contract.starter))
    record = again(toy).of(toy)
    assert (record.state, record.attempts, record.failing) == (State.NOT_ATTEMPTED, 0, ())


def test_hints_go_on_until_the_last(toy: Kata) -> None:
    assert [again(toy).next_hint(toy) for _ in range(5)] == [1, 2, 3, 3, 3]
    record = again(toy).of(toy)
    assert (record.hints, record.state) == (3, State.IN_WORK)


def test_the_solution_is_asked_for_twice(toy: Kata) -> None:
    assert [again(toy).ask_for_solution(toy) for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    "damage",
    [b'{"at": "2026-01-0', b"\n\n", b"\xff\xfe\x00", b"[]\n", b'{"event": "attempt"}\n',
     b'{"at":"2026-01-01T00:00:00","kata":"01-toy/adder","event":"hint"}\n',
     b'{"at":"0001-01-01T00:00:00+14:00","kata":"01-toy/adder","event":"hint"}\n',
     b'{"at":"2026-01-01T00:00:00Z","kata":"01-toy/adder","event":"of a later version"}\n',
     b"[" * 100_000 + b"\n"],
)  # fmt: skip
def test_a_damaged_line_is_skipped(toy: Kata, damage: bytes) -> None:
    again(toy).next_hint(toy)
    path = root_of(toy) / ".kata/progress.jsonl"
    path.write_bytes(path.read_bytes() + damage)
    assert again(toy).next_hint(toy) == 2
    assert again(toy).next_hint(toy) == 3


def test_a_file_that_cannot_be_had(toy: Kata) -> None:
    """A folder in its place: nothing fails, and this process still remembers."""
    (root_of(toy) / ".kata/progress.jsonl").mkdir(parents=True)
    progress = again(toy)
    progress.add(verdict(toy, *ALL))
    assert progress.of(toy).state is State.PASSED
    assert again(toy).of(toy).state is State.NOT_ATTEMPTED
    # What cannot be remembered cannot be asked for twice, and nothing is locked.
    assert again(toy).ask_for_solution(toy)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_in_its_place_is_not_waited_for(toy: Kata) -> None:
    (root_of(toy) / ".kata").mkdir()
    os.mkfifo(root_of(toy) / ".kata/progress.jsonl")
    assert again(toy).next_hint(toy) == 1


def test_the_file_can_be_deleted(toy: Kata) -> None:
    progress = again(toy)
    progress.next_hint(toy)
    (root_of(toy) / ".kata/progress.jsonl").unlink()
    (root_of(toy) / ".kata").rmdir()
    assert again(toy).next_hint(toy) == 1


def test_behaviours_that_are_gone_do_not_fail(toy: Kata) -> None:
    again(toy).add(verdict(toy))
    path = toy.folder / "kata.toml"
    path.write_text(path.read_text().replace("keeps-a-total", "keeps-the-total"))
    changed = Catalog(root_of(toy)).get("adder")
    assert again(toy).of(changed).failing == ("adds", "adds-as-a-command")


def test_suggestion(toy: Kata) -> None:
    katas = [toy, another(toy, "second"), another(toy, "third")]
    assert again(toy).suggestion(katas) == toy
    again(toy).add(verdict(toy, *ALL))
    assert again(toy).suggestion(katas) == katas[1]
    again(toy).add(verdict(katas[2]))
    assert again(toy).suggestion(katas) == katas[2]
    again(toy).next_hint(katas[1])
    assert again(toy).suggestion(katas) == katas[1]
    for kata in katas:
        again(toy).add(verdict(kata, *ALL))
    assert again(toy).suggestion(katas) is None


def another(toy: Kata, name: str) -> Kata:
    """A copy of the toy kata under another name."""
    folder = toy.folder.with_name(name)
    shutil.copytree(toy.folder, folder)
    return dataclasses.replace(toy, name=f"01-toy/{name}", folder=folder)
