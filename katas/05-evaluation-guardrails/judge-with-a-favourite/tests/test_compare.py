"""The symptom of the story, and what works already. Passing these is necessary, not enough."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grader.upstreams import Answer, Call, FakeLLM


def verdict(call: Call, letter: str) -> str:
    """JSON where JSON was asked for, else a few words."""
    if "response_format" in call.fields:
        return json.dumps({"reason": "It names the deadline.", "verdict": letter})
    return f"{letter}. It names the deadline."


def prefers_new(call: Call) -> str:
    text = " ".join(str(message.get("content")) for message in call.fields["messages"])
    return verdict(call, "A" if text.find("The new answer") < text.find("The old answer") else "B")


def prefers_first(call: Call) -> str:
    return verdict(call, "A")


def test_a_better_candidate_wins(workshop: Any, judge: FakeLLM) -> None:
    judge.script(Answer(text=prefers_new))
    report = workshop.report(workshop.items(30))
    assert report["items"] == report["scored"] == 30
    assert report["wins"] == 30
    assert report["win_rate"] == pytest.approx(1.0)
    assert report["decision"] == "candidate"


def test_a_second_run_costs_nothing(workshop: Any, judge: FakeLLM) -> None:
    judge.script(Answer(text=prefers_new))
    items = workshop.items(4)
    cache = str(workshop.folder / "cache")
    first = workshop.report(items, "--cache", cache)
    judge.forget()
    second = workshop.report(items, "--cache", cache)
    assert judge.calls == []
    assert second["wins"] == first["wins"] == 4


def test_a_judge_that_prefers_the_first_answer_finds_no_winner(
    workshop: Any, judge: FakeLLM
) -> None:
    judge.script(Answer(text=prefers_first))
    report = workshop.report(workshop.items(30))
    assert report["win_rate"] == pytest.approx(0.5)
    assert report["decision"] == "no_difference"


def test_the_judge_does_not_know_who_answered(workshop: Any, judge: FakeLLM) -> None:
    judge.script(Answer(text=prefers_new))
    workshop.report(workshop.items(3))
    assert judge.calls
    for call in judge.calls:
        assert b"aurora" not in call.body
        assert b"heron" not in call.body


def test_a_missing_answer_costs_no_call(workshop: Any, judge: FakeLLM) -> None:
    items = workshop.items(3)
    with items.open("a") as stream:
        stream.write('{"id": "q-3", "question": "Question 3?", "answers": {"heron": "Old."}}\n')
    done = workshop.compare(items)
    assert done.returncode == 2
    assert "4" in done.stderr
    assert judge.calls == []
