"""The scripted upstreams: faults as the real OpenAI SDK sees them, else on plain sockets.

Timing: lower bounds are exact, upper bounds are wide, because shared machines stall.
"""

import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import httpx
import openai
import pytest

from grader.upstreams import (
    Answer,
    AsUsual,
    ByHand,
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
    Slow,
    Status,
    ToolCall,
    parse_script,
)
from tests.openai_client import MESSAGES, ask

BODY = {"model": "m", "messages": MESSAGES}


def raw(url: str, request: bytes, until: float = 3.0) -> bytes:
    """What comes back on a plain socket until the server closes it."""
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    with closing(socket.create_connection((host, int(port)), timeout=until)) as connection:
        connection.sendall(request)
        received = b""
        while data := connection.recv(65_536):
            received += data
        return received


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
    assert time.monotonic() - start < 30  # 40 s, one after the other
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
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 150 + b"\r\n", b"431"),
        (b"GET /?" + b"a&" * 150 + b" HTTP/1.1\r\n\r\n", b"400"),
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


def test_headers_count_towards_the_record(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.upstreams.script.MAX_RECORDED_BYTES", 20_000)
    vendor.script(Json("body"))
    statuses = [httpx.get(vendor.url, headers={"x-much": "x" * 9_000}).status_code
                for _ in range(3)]  # fmt: skip
    assert statuses == [200, 503, 503]


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
        assert time.monotonic() - start < 5
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
    assert parse_script('answer:"a, [b",answer:["c, ", "d"],500,answer:say "e, f"') == [
        Answer("a, [b"),
        Answer(("c, ", "d")),
        Status(500),
        Answer('say "e, f"'),
    ]
    assert parse_script("slow:1,usual", Answer("x")) == [Slow(Answer("x"), 1), Answer("x")]


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


@pytest.fixture
def lines() -> list[str]:
    return []


def wait_for(lines: list[str], end: str) -> str:
    """The last line, without its time, once it is of that form."""
    give_up = time.monotonic() + 5
    while not re.search(end, "".join(lines[-1:])):
        assert time.monotonic() < give_up, lines
        time.sleep(0.01)
    return lines[-1].partition(" ")[2]


def test_each_request_is_told_with_what_it_got(lines: list[str]) -> None:
    with ByHand(
        "primary", "llm", 0, lines.append, 'answer:A, "B"', {"a tool": "tool:find"}
    ) as stand:
        chat = f"{stand.url}/chat/completions"
        said = httpx.post(chat, json=BODY).json()["choices"][0]["message"]["content"]
        assert said == 'A, "B"'
        told = wait_for(lines, "it got")
        assert re.fullmatch(r'primary 1: after \d+ ms it got the answer "A, "B""', told)
        assert lines[0].partition(" ")[2] == 'primary 1: POST /v1/chat/completions, "hi"'
        for script, told, got in (
            ("1", "answers 500", "got 500 Internal Server Error"),
            ("a", "a tool", "got a call of find"),
            ("429:7,usual", "429 Too Many Requests with Retry-After: 7, then", "429 Too Many"),
            ("slow:0.01:malformed", "broken JSON, 0.01 s later", "broken JSON, 0.01 s later"),
            ("drop", "half an answer, and a dropped", "got half an answer, and a dropped"),
        ):
            lines.clear()
            assert told in stand.switch(script)
            with suppress(httpx.HTTPError):
                httpx.post(chat, json=BODY)
            assert got in wait_for(lines, "it got")
        lines.clear()
        assert stand.switch("0") == "as usual"
        httpx.post(chat, json={"messages": MESSAGES})
        assert "400 Bad Request, for the request" in wait_for(lines, "it got")
        stand.switch("hang")
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(chat, json=BODY, timeout=0.1)
        assert "ms the caller hung up" in wait_for(lines, "planned was nothing$")
        stand.switch("answer:" + "word " * 100)
        long = [{"role": "user", "content": "word " * 100}]
        httpx.post(chat, json={"model": "m", "messages": long, "stream": True})
        wait_for(lines, "it got")
        assert max(map(len, lines)) == 79


def test_menus_of_a_kind_differ_only_behind_the_common_faults(lines: list[str]) -> None:
    own = {"says no": "403"}
    llm, vendor = (ByHand("x", kind, 0, lines.append, menu=own).menu for kind in ("llm", "vendor"))
    assert [entry.key for entry in llm] == [*"0123456789a"]
    assert llm[:7] == vendor[:7]
    assert llm[-1] == vendor[-1]
    assert llm[-1].words == "says no"
    with pytest.raises(ValueError, match="unknown step"):
        ByHand("x", "llm", 0, lines.append, "explode")


def test_a_vendor_by_hand(lines: list[str]) -> None:
    with ByHand("vendor", "vendor", 0, lines.append) as stand:
        assert httpx.get(f"{stand.url}/any").json() == {"ok": True}
        assert 'got JSON {"ok": true}' in wait_for(lines, "it got")
