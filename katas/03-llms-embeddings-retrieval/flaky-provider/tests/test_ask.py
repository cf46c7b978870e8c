"""The symptom of the story, and what works already. Passing these is necessary, not enough."""

from __future__ import annotations

import contextlib
import time

import httpx

from grader.upstreams import FakeLLM, Hang, Status


def ask(service: httpx.Client, deadline_ms: int) -> httpx.Response:
    return service.post("/ask", json={"prompt": "Where is my parcel?", "deadline_ms": deadline_ms})


def test_a_healthy_primary_answers(service: httpx.Client, primary: FakeLLM) -> None:
    body = ask(service, 2000).raise_for_status().json()
    assert body["answer"] == "An answer from the primary."
    assert body["source"] == "primary"
    assert body["degraded"] is False
    assert body["attempts"] == len(primary.calls) == 1


def test_bad_input_is_refused(service: httpx.Client, primary: FakeLLM) -> None:
    for body in ({"prompt": "", "deadline_ms": 1000}, {"prompt": "hello"}):
        assert service.post("/ask", json=body).status_code == 422
    assert primary.calls == []


def test_a_hanging_primary_does_not_take_the_caller_with_it(
    service: httpx.Client, primary: FakeLLM
) -> None:
    primary.script(Hang())
    started = time.monotonic()
    body = ask(service, 1500).raise_for_status().json()
    assert time.monotonic() - started < 1.9
    assert body["answer"] == "An answer from the backup."
    assert body["source"] == "fallback"
    assert body["degraded"] is True


def test_one_caller_does_not_hammer_a_primary_that_is_down(
    service: httpx.Client, primary: FakeLLM
) -> None:
    primary.script(Status(503))
    with contextlib.suppress(httpx.TimeoutException):
        ask(service, 3000)
    assert 1 <= len(primary.calls) <= 3


def test_with_both_down_the_caller_is_told(
    service: httpx.Client, primary: FakeLLM, backup: FakeLLM
) -> None:
    primary.script(Status(401))
    backup.script(Status(401))
    response = ask(service, 1500)
    assert response.status_code == 503
    assert response.json()["error"] == "providers_unavailable"
    assert "retry-after" in response.headers
