"""What the real OpenAI SDK makes of the scripted LLM and its faults."""

import asyncio
import json
import math
import time
from typing import Any

import httpx
import openai
import pytest

from grader.upstreams import (
    Answer,
    Cut,
    Drop,
    FakeLLM,
    Hang,
    Malformed,
    Status,
    Step,
    ToolCall,
)
from tests.openai_client import MESSAGES, ask, sdk

BODY = {"model": "m", "messages": MESSAGES}


def stream(llm: FakeLLM, **more: Any) -> list[Any]:
    with sdk(llm, max_retries=0, timeout=5) as client:
        create: Any = client.chat.completions.create
        return list(create(model="m", messages=MESSAGES, stream=True, **more))


def text_of(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_timeout_is_per_attempt(llm: FakeLLM) -> None:
    llm.script(Hang())
    with pytest.raises(openai.APITimeoutError):
        ask(llm, timeout=0.1)
    assert len(llm.calls) == 3
    assert llm.wait_until(lambda calls: all(c.hung_up_at for c in calls))
    assert 0.05 < (llm.calls[0].hung_up_at or 0) - llm.calls[0].at < 5


def test_short_retry_after_is_honoured(llm: FakeLLM) -> None:
    llm.script(
        Status(429, retry_after=0.3), Status(429, retry_after=9, retry_after_ms=50), Answer()
    )
    assert ask(llm).choices[0].message.content
    first, second, third = llm.calls
    assert second.at - first.at >= 0.3
    assert 0.05 <= third.at - second.at < 5
    assert second.headers["x-stainless-retry-count"] == "1"


def test_500_for_ever_is_three_calls(llm: FakeLLM) -> None:
    llm.script(Status(500, headers={"x-should-retry": "true"}, retry_after_ms=10))
    with pytest.raises(openai.InternalServerError):
        ask(llm)
    assert len(llm.calls) == 3
    llm.forget()
    with pytest.raises(openai.InternalServerError):
        ask(llm, max_retries=0)
    assert [c.number for c in llm.calls] == [1]


@pytest.mark.parametrize(
    ("code", "error"),
    [(400, openai.BadRequestError), (401, openai.AuthenticationError), (404, openai.NotFoundError)],
)
def test_client_errors_are_not_retried(llm: FakeLLM, code: int, error: type[Exception]) -> None:
    llm.script(Status(code))
    with pytest.raises(error):
        ask(llm)
    assert len(llm.calls) == 1


def test_stream_closed_in_good_order_raises_nothing(llm: FakeLLM) -> None:
    llm.script(Cut(after=2, text="Hello there, you"))
    chunks = stream(llm)
    assert text_of(chunks) == "Hello there, "
    assert all(c.choices[0].finish_reason is None for c in chunks)


def test_dropped_stream_raises(llm: FakeLLM) -> None:
    llm.script(Drop(after=1))
    seen: list[Any] = []
    with sdk(llm, max_retries=0) as client:
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIConnectionError):
            seen.extend(chunks)
    assert text_of(seen) == "The "


@pytest.mark.parametrize("step", [Cut(), Drop(), Hang(0.05)])
def test_connection_lost_without_streaming(llm: FakeLLM, step: Step) -> None:
    llm.script(step)
    with pytest.raises(openai.APIConnectionError):
        ask(llm, max_retries=0)


def test_malformed_json(llm: FakeLLM) -> None:
    llm.script(Malformed())
    with pytest.raises(json.JSONDecodeError):
        ask(llm, max_retries=0)


def test_answer_and_usage(llm: FakeLLM) -> None:
    llm.script(Answer("hello", "length"), Answer(usage={"prompt_tokens": 7, "total_tokens": 7}))
    first, second = ask(llm), ask(llm, n=2)
    assert (first.choices[0].message.content, first.choices[0].finish_reason) == ("hello", "length")
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
    assert (second.usage.prompt_tokens, len(second.choices)) == (7, 2)
    assert first.model == "m"
    assert first.id != second.id


def test_stream_is_complete(llm: FakeLLM) -> None:
    llm.script(Answer("one two three"), Answer(("spl", "it")), Answer("word"))
    chunks = stream(llm, stream_options={"include_usage": True})
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == "one two three"
    assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) == 3
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens > 0) == ([], True)
    plain = stream(llm)
    assert [c.choices[0].delta.content for c in plain] == ["", "spl", "it", None]
    assert plain[-1].usage is None
    assert [c.choices[0].delta.content for c in stream(llm)] == ["", "wo", "rd", None]
    raw_text = httpx.post(f"{llm.url}/chat/completions", json={**BODY, "stream": True}).text
    assert raw_text.endswith("data: [DONE]\n\n")


def test_delays(llm: FakeLLM) -> None:
    llm.script(Answer("a b c", delay=0.1, chunk_delay=0.1))
    start = time.monotonic()
    stream(llm)
    assert time.monotonic() - start >= 0.1 + 4 * 0.1  # role, three words, finish, [DONE]


def test_text_computed_from_the_call(llm: FakeLLM) -> None:
    llm.script(Answer(lambda call: call.json["messages"][0]["content"].upper()))
    assert ask(llm).choices[0].message.content == "HI"
    assert text_of(stream(llm)) == "HI"


TOOLS = (ToolCall("search", {"q": "é", "k": 3}), ToolCall("stop", '{"cut', id="mine"))


def test_tool_calls(llm: FakeLLM) -> None:
    llm.script(Answer(tool_calls=TOOLS))
    choice = ask(llm).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    first, second = choice.message.tool_calls
    assert first.function.name == "search"
    assert json.loads(first.function.arguments) == {"q": "é", "k": 3}
    assert (second.id, second.function.arguments) == ("mine", '{"cut')
    assert first.id


def test_tool_calls_streamed(llm: FakeLLM) -> None:
    llm.script(Answer("Wait. Now", tool_calls=TOOLS, finish_reason="length"))
    with (
        sdk(llm) as client,
        client.chat.completions.stream(model="m", messages=MESSAGES) as events,
        pytest.raises(openai.LengthFinishReasonError),
    ):
        events.get_final_completion()
    llm.script(Answer(tool_calls=TOOLS[:1]))
    with (
        sdk(llm) as client,
        client.chat.completions.stream(model="m", messages=MESSAGES) as events,
    ):
        choice = events.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    assert json.loads(choice.message.tool_calls[0].function.arguments) == {"q": "é", "k": 3}


def test_async_client(llm: FakeLLM) -> None:
    async def main() -> list[str]:
        async with openai.AsyncOpenAI(base_url=llm.url, api_key="k") as client:
            create: Any = client.chat.completions.create
            replies = await asyncio.gather(
                *(create(model="m", messages=[{"role": "user", "content": str(n)}])
                  for n in range(20))
            )  # fmt: skip
            return [reply.choices[0].message.content for reply in replies]

    llm.script(Answer(lambda call: call.json["messages"][0]["content"]))
    assert asyncio.run(main()) == [str(n) for n in range(20)]


def test_embeddings(llm: FakeLLM) -> None:
    with sdk(llm) as client:
        texts = ["refund policy", "Refund policy for shoes", "weather in Lima", "refund policy"]
        default = [d.embedding for d in client.embeddings.create(model="m", input=texts).data]
        floats = client.embeddings.create(model="m", input=texts[0], encoding_format="float")
        short = client.embeddings.create(model="m", input="x", dimensions=5).data[0].embedding
        tokens = client.embeddings.create(model="m", input=[[1, 2], [3]]).data
        assert [m.id for m in client.models.list()]
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="m", input=[])
    assert [len(v) for v in default] == [32] * 4
    assert len(short) == 5
    assert len(tokens) == 2
    for vector in [*default, short]:
        assert math.isclose(sum(x * x for x in vector), 1, abs_tol=1e-5)
    assert default[0] == default[3]
    assert floats.data[0].embedding == pytest.approx(default[0], abs=1e-6)

    def near(a: int, b: int) -> float:
        return sum(x * y for x, y in zip(default[a], default[b], strict=True))

    assert near(0, 1) > near(0, 2) + 0.2


def test_what_is_out_of_scope_takes_no_step(llm: FakeLLM) -> None:
    llm.script(Answer("first"), Answer("second"))
    with sdk(llm) as client, pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.responses.create(model="m", input="x")
    assert ask(llm).choices[0].message.content == "first"


def test_bad_requests_get_400(llm: FakeLLM) -> None:
    bad: list[Any] = [{}, [], {"model": "m", "messages": []}, {**BODY, "n": "x"}]
    for body in bad:
        reply = httpx.post(f"{llm.url}/chat/completions", json=body)
        assert reply.status_code == 400
        assert reply.json()["error"]["type"] == "invalid_request_error"
    assert httpx.post(f"{llm.url}/chat/completions", content=b"[" * 100_000).status_code == 400
