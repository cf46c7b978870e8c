"""The scripted upstreams: faults as the real OpenAI SDK sees them, else on plain sockets.

Timing: lower bounds are exact, upper bounds are wide, because shared machines stall.
"""

import asyncio
import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import httpx
import openai
import prometheus_client
import pytest
from prometheus_client import CollectorRegistry

from grader.upstreams import (
    Answer,
    AsUsual,
    Call,
    Cut,
    Drip,
    Drop,
    FakeLLM,
    FakeVendor,
    Hang,
    Json,
    Malformed,
    NoHeadersEnd,
    Samples,
    ScrapeError,
    Scraper,
    Slow,
    Status,
    Step,
    ToolCall,
    parse_script,
    serve_forever,
)

MESSAGES: Any = [{"role": "user", "content": "hi"}]
BODY = {"model": "m", "messages": MESSAGES}


@pytest.fixture
def llm() -> Iterator[FakeLLM]:
    with FakeLLM() as server:
        yield server


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    with FakeVendor() as server:
        yield server


def sdk(llm: FakeLLM, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=llm.url, api_key="k", **options)


def ask(llm: FakeLLM, max_retries: int = 2, timeout: float = 5, **more: Any) -> Any:
    with sdk(llm, max_retries=max_retries, timeout=timeout) as client:
        return client.chat.completions.create(model="m", messages=MESSAGES, **more)


def stream(llm: FakeLLM, **more: Any) -> list[Any]:
    with sdk(llm, max_retries=0, timeout=5) as client:
        create: Any = client.chat.completions.create
        return list(create(model="m", messages=MESSAGES, stream=True, **more))


def text_of(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def raw(url: str, request: bytes, until: float = 3.0) -> bytes:
    """What comes back on a plain socket until the server closes it."""
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    with closing(socket.create_connection((host, int(port)), timeout=until)) as connection:
        connection.sendall(request)
        received = b""
        while data := connection.recv(65_536):
            received += data
        return received


# What the real SDK makes of it


def test_timeout_is_per_attempt(llm: FakeLLM) -> None:
    llm.script(Hang())
    with pytest.raises(openai.APITimeoutError):
        ask(llm, timeout=0.1)
    assert len(llm.calls) == 3
    assert llm.wait_until(lambda calls: all(c.hung_up_at for c in calls))
    assert 0.05 < (llm.calls[0].hung_up_at or 0) - llm.calls[0].at < 1


def test_short_retry_after_is_honoured(llm: FakeLLM) -> None:
    llm.script(
        Status(429, retry_after=0.3), Status(429, retry_after=9, retry_after_ms=50), Answer()
    )
    assert ask(llm).choices[0].message.content
    first, second, third = llm.calls
    assert second.at - first.at >= 0.3
    assert 0.05 <= third.at - second.at < 2
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


# Scripts, rules, record


def test_scripts_and_rules(vendor: FakeVendor) -> None:
    vendor.script(Json(1), Json(2))
    vendor.when(lambda call: call.path == "/slow", Json("a"), Json("b"))
    vendor.when(lambda call: call.path == "/slow", Json("never"))
    vendor.when(lambda call: call.json["no"]["such"], Json("never"))
    got = [httpx.get(vendor.url + p).json() for p in ("/", "/slow", "/x", "/slow", "/x", "/slow")]
    assert got == [1, "a", 2, "b", 2, "b"]
    vendor.script(Json(3))
    assert httpx.get(vendor.url).json() == 3
    assert len(vendor.errors) == 4  # the condition that raised did not match, and was kept
    vendor.script()
    assert httpx.get(vendor.url).status_code == 404
    wrong: Any = Hang
    with pytest.raises(TypeError, match="not of"):
        vendor.script(wrong)


def test_calls_hold_what_arrived(vendor: FakeVendor) -> None:
    before = time.monotonic()
    httpx.put(vendor.url + "/a%20b?x=1&y=", json={"k": [1]}, headers={"X-Trace": "T"})
    call = vendor.calls[0]
    assert (call.number, call.method, call.path) == (1, "PUT", "/a b")
    assert call.query == {"x": "1", "y": ""}
    assert call.headers["x-trace"] == "T"
    assert (call.json, call.body) == ({"k": [1]}, b'{"k":[1]}')
    assert before <= call.at <= time.monotonic()
    assert vendor.wait_until(lambda calls: calls[0].done_at)
    assert call.hung_up_at is None
    assert not vendor.wait_for_calls(2, timeout=0.05)
    later = threading.Timer(0.05, httpx.get, (vendor.url,))
    later.start()
    assert vendor.wait_for_calls(2)
    later.join()
    assert vendor.calls[1].json is None
    vendor.forget()
    assert vendor.calls == []


def test_chunked_request_bodies(vendor: FakeVendor) -> None:
    with httpx.Client(base_url=vendor.url) as client:
        client.post("/", content=iter([b'{"a"', b": 1}"]))
        client.get("/next")
    assert [c.json for c in vendor.calls] == [{"a": 1}, None]
    assert vendor.calls[1].path == "/next"


def test_two_hundred_at_once_each_take_one_step(vendor: FakeVendor) -> None:
    vendor.script(*(Slow(Json(n), 0.2) for n in range(200)))
    start = time.monotonic()
    with ThreadPoolExecutor(200) as pool:
        request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
        replies = list(pool.map(lambda _: raw(vendor.url, request, 10), range(200)))
    assert time.monotonic() - start < 5
    assert sorted(int(r.rpartition(b"\r\n")[2]) for r in replies) == list(range(200))
    assert [c.number for c in vendor.calls] == list(range(1, 201))
    assert all(a.at <= b.at for a, b in zip(vendor.calls, vendor.calls[1:], strict=False))


def test_keep_alive_uses_one_connection(vendor: FakeVendor) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert raw(vendor.url, request * 2 + last).count(b"HTTP/1.1 404 Not Found\r\n") == 3


def test_a_failing_callable_is_a_500_and_is_kept(llm: FakeLLM) -> None:
    llm.script(Answer(lambda call: call.json["nothing"]))
    with pytest.raises(openai.InternalServerError):
        ask(llm, max_retries=0)
    assert [type(e) for e in llm.errors] == [KeyError]


# Faults on the wire


def test_hang_up_is_seen_while_nothing_is_sent(llm: FakeLLM) -> None:
    llm.script(Slow(Answer(), 30))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{llm.url}/chat/completions", json=BODY, timeout=0.1)
    assert llm.wait_until(lambda calls: calls[0].hung_up_at)
    assert llm.calls[0].done_at is None


def test_hang_up_in_the_middle_of_a_stream(llm: FakeLLM) -> None:
    llm.script(Answer("a b c d e", chunk_delay=0.1))
    url, body = f"{llm.url}/chat/completions", {**BODY, "stream": True}
    with httpx.stream("POST", url, json=body) as reply:
        next(reply.iter_lines())
    assert llm.wait_until(lambda calls: calls[0].hung_up_at)


def test_drip_outlives_a_timeout_per_read(vendor: FakeVendor) -> None:
    vendor.script(Drip(Json([1, 2, 3]), interval=0.02, size=4))
    start = time.monotonic()
    reply = httpx.get(vendor.url, timeout=0.5)
    assert reply.json() == [1, 2, 3]
    size = len(raw(vendor.url, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"))
    assert time.monotonic() - start >= 2 * (size // 4 - 1) * 0.02
    assert vendor.wait_until(lambda calls: len(calls) == 2 and all(c.done_at for c in calls))


def test_headers_without_end(vendor: FakeVendor) -> None:
    vendor.script(NoHeadersEnd(interval=0.01))
    host, port = vendor.url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        received = b""
        while received.count(b"X-More") < 5:
            received += connection.recv(1_024)
    assert b"\r\n\r\n" not in received
    assert vendor.wait_until(lambda calls: calls[0].hung_up_at)


def test_statuses(vendor: FakeVendor) -> None:
    vendor.script(
        Status(429, retry_after=90),
        Status(503, retry_after=0.25, body="busy", headers={"X-Why": "load"}),
        Status(418, body={"a": 1}),
        Status(204),
        Status(599),
        AsUsual(),
        Status(200),
    )
    with httpx.Client(base_url=vendor.url) as client:
        replies = [client.get("/") for _ in range(7)]
    assert [r.status_code for r in replies] == [429, 503, 418, 204, 599, 404, 200]
    assert replies[0].headers["retry-after"] == "90"
    assert replies[0].json()["error"]["code"] == "rate_limit_exceeded"
    assert "retry-after-ms" not in replies[0].headers
    assert (replies[1].headers["retry-after"], replies[1].headers["x-why"]) == ("0.25", "load")
    assert replies[1].text == "busy"
    assert replies[2].json() == {"a": 1}
    assert replies[3].content == b""
    assert all(r.json()["error"]["message"] for r in replies[4:6])
    assert replies[6].json() == {}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET http://[ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 11_000, b"431"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\xff\r\n", b"400"),
    ],
)
def test_what_is_not_http_is_refused(
    vendor: FakeVendor, request_bytes: bytes, status: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    assert raw(vendor.url, request_bytes).startswith(b"HTTP/1.1 " + status)
    assert vendor.calls == []
    assert vendor.errors == []
    assert capfd.readouterr() == ("", "")


def test_head_and_connections_closed_early(vendor: FakeVendor) -> None:
    vendor.script(Json("body"))
    assert httpx.head(vendor.url).headers["content-length"] == "6"
    host, port = vendor.url.removeprefix("http://").split(":")
    for start in (b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"):
        with closing(socket.create_connection((host, int(port)))) as connection:
            connection.sendall(start)
    assert httpx.get(vendor.url).json() == "body"
    assert len(vendor.calls) == 2


# Start and stop


def test_stop_ends_every_connection_and_thread() -> None:
    threads = set(threading.enumerate())
    llm = FakeLLM(script=[Hang()]).start()
    llm.when(lambda c: c.number == 1, Drip(Answer(), 0.5))
    llm.when(lambda c: c.number == 2, NoHeadersEnd())
    idle = socket.create_connection(("127.0.0.1", int(llm.url.split(":")[2].split("/")[0])))
    with ThreadPoolExecutor(30) as pool:
        futures = [pool.submit(ask, llm, max_retries=0, timeout=30) for _ in range(30)]
        assert llm.wait_for_calls(30, timeout=10)
        start = time.monotonic()
        llm.stop()
        assert time.monotonic() - start < 1
        assert all(isinstance(f.exception(), openai.APIConnectionError) for f in futures)
    assert idle.recv(1) == b""
    idle.close()
    assert {t for t in threading.enumerate() if t.is_alive()} <= threads
    assert all(c.hung_up_at is None for c in llm.calls)
    llm.stop()


def test_start_again_on_the_same_port() -> None:
    vendor = FakeVendor(script=[Json(1)])
    with pytest.raises(RuntimeError, match="once the server is started"):
        _ = vendor.url
    with vendor:
        url = vendor.url
        assert httpx.get(url).json() == 1
        with pytest.raises(RuntimeError, match="already running"):
            vendor.start()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    with vendor:
        assert vendor.url == url
        assert httpx.get(url).json() == 1
    assert len(vendor.calls) == 2


# The vendor


def test_routes() -> None:
    def customer(call: Call) -> object:
        found = call.params["id"]
        return {"id": found} if found != "0" else Status(410)

    routes = {
        "GET /v1/customers/{id}": customer,
        "POST /v1/orders": Json({"ok": True}, status=201),
        "GET /v1.0/list": [1, 2],
    }
    with FakeVendor(routes) as vendor, httpx.Client(base_url=vendor.url) as client:
        assert client.get("/v1/customers/a%20b").json() == {"id": "a b"}
        assert client.get("/v1/customers/0").status_code == 410
        assert client.post("/v1/orders").status_code == 201
        assert client.get("/v1.0/list").json() == [1, 2]
        assert client.get("/v1x0/list").status_code == 404
        assert client.delete("/v1/customers/7").status_code == 404
        vendor.route("GET /v1.0/list", lambda call: call.json["no"])
        assert client.get("/v1.0/list").status_code == 500
        assert [type(e) for e in vendor.errors] == [TypeError]
        vendor.route("GET /v1.0/list", [1, 2])
        vendor.script(Status(500), Slow(AsUsual(), 0.05), Drop(), Answer("text"))
        assert client.get("/v1.0/list").status_code == 500
        assert client.get("/v1.0/list").json() == [1, 2]
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/v1.0/list")
        assert client.get("/").json() == {"text": "text"}
    with pytest.raises(ValueError, match="a route reads"):
        FakeVendor({"/v1": 1})


# By hand


def test_parse_script() -> None:
    text = "429:0.5, hang:2,hang, cut,drop:1,answer:a: b,length,503,slow:1:drip:0.1,malformed,"
    assert parse_script(text) == [
        Status(429, retry_after=0.5),
        Hang(2),
        Hang(),
        Cut(),
        Drop(1),
        Answer("a: b"),
        Answer(finish_reason="length"),
        Status(503),
        Slow(Drip(AsUsual(), 0.1), 1),
        Malformed(),
    ]
    tool = 'tool:find:{"a": {"b": [1, 2]}, "c": 3},json:{"x": [1, 2]},headers'
    assert parse_script(tool) == [
        Answer(tool_calls=(ToolCall("find", '{"a": {"b": [1, 2]}, "c": 3}'),)),
        Json({"x": [1, 2]}),
        NoHeadersEnd(),
    ]
    assert parse_script("") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hng", 'unknown step "hng"; known are .*429:RETRY_AFTER.*hang'),
        ("999", "unknown step"),
        ("tool", "unknown step"),
        ("slow", "needs a number"),
        ("hang:soon", '"hang:soon" needs a number'),
        ("429:-1", "needs a number"),
        ("slow:1:hng", 'unknown step "hng"'),
        ("json:{", "is not valid JSON"),
    ],
)
def test_parse_script_explains(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_script(text)


def test_steps_print_shortly() -> None:
    assert str(Status(429, retry_after=0.5)) == "Status(429, retry_after=0.5)"
    assert str(Slow(Drip(Answer()), 1)) == "Slow(Drip(Answer()), 1)"


def test_serve_forever_logs_a_line_for_each_request() -> None:
    lines: list[str] = []
    stop, listening = threading.Event(), threading.Event()

    def log(line: str) -> None:
        lines.append(line)
        listening.set()

    server = threading.Thread(target=serve_forever, args=("llm", 0, "answer:hello", log, stop))
    server.start()
    assert listening.wait(5)
    url = lines[0].split()[-1]
    assert httpx.post(f"{url}/chat/completions", json=BODY).status_code == 200
    stop.set()
    server.join(5)
    assert not server.is_alive()
    assert lines[1].startswith("#1 ")
    assert lines[1].endswith(" ms POST /v1/chat/completions -> Answer(text='hello')")
    with pytest.raises(ValueError, match="llm, vendor"):
        serve_forever("mail", 0, "", log, stop)


# The scraper


PAGE = """\
# HELP hits Requests\n# TYPE hits_total counter
hits_total{route="/a",status="200"} 3
hits_total{route="/a",status="500",} 1 1700000000
hits_total{ route = "/{b}, \\"x\\"\\n\\\\n" , status="200"} 1e1
# TYPE lat histogram
lat_bucket{route="/a",le="0.1"} 2
lat_bucket{route="/a",le="1"} 6
lat_bucket{route="/a",le="+Inf"} 8
lat_bucket{route="/b",le="0.1"} 0
lat_bucket{route="/b",le="1"} 2
lat_bucket{route="/b",le="+Inf"} 2
up 1
odd NaN
"""


def test_samples() -> None:
    samples = Samples(PAGE)
    assert samples.value("hits_total") == 14
    assert samples.value("hits_total", status=200) == 13
    assert samples.value("hits_total", route="/a", status="500") == 1
    assert samples.value("hits_total", status="404") is None
    assert samples.value("hits") is None
    assert math.isnan(Samples('x{a="1"} +Inf\nx{a="2"} -Inf').value("x") or 0)
    assert math.isnan(samples.value("odd") or 0)
    assert (samples.series("hits_total"), samples.series(), samples.series("x")) == (3, 11, 0)
    assert {"route": '/{b}, "x"\n\\n', "status": "200"} in samples.labels("hits_total")
    assert samples.labels("up") == [{}]
    assert samples.types == {"hits_total": "counter", "lat": "histogram"}
    assert samples.buckets("lat", route="/a") == [(0.1, 2), (1, 6), (math.inf, 8)]
    assert samples.buckets("lat_bucket") == [(0.1, 2), (1, 8), (math.inf, 10)]


def test_quantiles_as_in_promql() -> None:
    samples = Samples(PAGE)
    assert samples.quantile("lat", 0.5, route="/a") == pytest.approx(0.1 + 0.9 * 2 / 4)
    assert samples.quantile("lat", 0.125, route="/a") == pytest.approx(0.05)
    assert samples.quantile("lat", 0.99, route="/a") == 1  # the last finite bound
    assert samples.quantile("lat", 0.5, route="/b") == pytest.approx(0.55)
    assert samples.quantile("lat", 0.5, route="/c") is None
    assert samples.quantile("lat", 2) == math.inf
    negative = Samples('t_bucket{le="-1"} 4\nt_bucket{le="+Inf"} 4\n')
    assert negative.quantile("t", 0.5) == -1
    for page in ('e_bucket{le="1"} 0\ne_bucket{le="+Inf"} 0', 'e_bucket{le="1"} 5'):
        assert math.isnan(Samples(page).quantile("e", 0.5) or 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hits{a=1} 3", "line 2 is not a sample"),
        ('hits{a="1"', "is not a sample"),
        ("hits", "is not a sample"),
        ("hits three", "has no number"),
        ('hits{a="1",a="2"} 3', "a label twice"),
        ("# TYPE hits wrong", "no known type"),
        ("9hits 3", "is not a sample"),
        ("<html>", "is not a sample"),
    ],
)
def test_pages_that_cannot_be_read(line: str, message: str) -> None:
    with pytest.raises(ScrapeError, match=message):
        Samples("up 1\n" + line)


@pytest.mark.parametrize("middle", [" ", "{", '{a="', "\\", 'a="",', "\t", "1 ", '{a="b"'])
def test_hostile_pages_are_read_in_linear_time(middle: str) -> None:
    start = time.monotonic()
    for page in ("a" + middle * 100_000 + "!", "a{" + middle * 100_000 + "} 1 # x"):
        with suppress(ScrapeError):
            Samples(page)
    assert time.monotonic() - start < 2  # 100,000 squared would take minutes


def test_a_page_by_the_real_client_library() -> None:
    client: Any = prometheus_client  # partly untyped
    registry = CollectorRegistry()
    counter = prometheus_client.Counter("asked", "Asked", ["who"], registry=registry)
    histogram = prometheus_client.Histogram("took", "Took", registry=registry, buckets=[1, 60])
    counter.labels('ü"\\\n').inc(3)
    histogram.observe(30)
    samples = Samples(client.generate_latest(registry).decode())
    assert samples.value("asked_total", who='ü"\\\n') == 3
    assert samples.quantile("took", 0.5) == pytest.approx(30.5)
    page = client.openmetrics.exposition.generate_latest(registry).decode()
    assert Samples(page, open_metrics=True).value("asked_total") == 3
    with pytest.raises(ScrapeError, match="EOF"):
        Samples(page.replace("# EOF", ""), open_metrics=True)


def metrics(body: str, kind: str = "text/plain; version=0.0.4", status: int = 200) -> Step:
    return Malformed(body, status, kind)


def test_scrape_over_http(vendor: FakeVendor) -> None:
    scraper = Scraper(vendor.url, timeout=0.3)
    vendor.script(
        Slow(metrics(PAGE), 0.05),
        metrics(PAGE, "application/json"),
        metrics(PAGE, status=500),
        metrics("# " + "x" * 5 * 1024 * 1024),
        Hang(),
        Drip(metrics(PAGE), 0.01),
        NoHeadersEnd(0.01),
        Drop(),
        Status(307, headers={"Location": "http://127.0.0.1:1/metrics"}),
        Status(307, headers={"Location": "http://["}),
        Status(307, headers={"Location": "/\xe9"}),
        Status(307, headers={"Location": "/metrics/"}),
    )
    samples = scraper.scrape()
    assert samples.series() == 11
    assert samples.ms >= 50
    assert vendor.calls[0].path == "/metrics"
    messages = ("content type", "500", "larger", "within", "within", "within", "cannot be read",
                "another server", "another server", "cannot be read", "redirects more")  # fmt: skip
    for message in messages:
        with pytest.raises(ScrapeError, match=message):
            scraper.scrape()
    vendor.when(lambda c: c.path == "/metrics/", metrics(PAGE))
    assert scraper.scrape().series() == 11
    vendor.stop()
    with pytest.raises(ScrapeError, match="cannot be read"):
        scraper.scrape()
    with pytest.raises(ValueError, match="http://"):
        Scraper("https://example.org")


def test_polling_keeps_history(vendor: FakeVendor) -> None:
    vendor.script(metrics("up 1"), Status(500), metrics("up 2"))
    with Scraper(f"{vendor.url}/m", interval=0.02) as scraper:
        assert vendor.wait_for_calls(5)
    seen = len(vendor.calls)
    assert [s.value("up") for s in scraper.history][:3] == [1, 2, 2]
    assert len(scraper.errors) == 1
    time.sleep(0.1)
    assert len(vendor.calls) == seen
