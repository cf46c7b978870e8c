"""Scripted upstream servers: real HTTP on the loopback, with the faults that real vendors have.

    with FakeLLM(script=[Status(429, retry_after=0.2), Answer("hello")]) as llm:
        ...                                 # code under test talks to llm.url
        assert len(llm.calls) == 2
        assert llm.calls[1].at - llm.calls[0].at >= 0.2

Each request takes the next step of the script and the last step repeats for ever. Without a script
every request is answered as usual: an LLM answers, a vendor serves its routes.

Servers
    FakeLLM      speaks OpenAI's API: chat (streamed or not, with tool calls), embeddings, models.
    FakeVendor   JSON over HTTP: routes (also by route(route, value)), and the same scripts.
    Both have start() and stop() (or `with`), url, script(*steps), when(condition, *steps), calls,
    wait_for_calls(n, timeout), wait_until(condition, timeout) and forget(). A rule made by `when`
    has its own script, and rules are asked before the plain one. Scripts and records can be
    reached inside the process only, never over the port. A condition that raises does not match, a
    callable that raises gives status 500, and both leave the exception in `errors`.

Steps
    Answer(text, finish_reason, tool_calls, delay, usage, chunk_delay)
                               a proper answer; `text` may be computed from the call, and a tuple
                               of strings fixes how a stream is cut into chunks
    Json(body, status, delay, headers)          any JSON; `body` may be computed from the call
    Status(code, retry_after, body, headers, retry_after_ms)    an OpenAI error, if no body is given
    Hang(seconds)                               never answers; after `seconds` it drops the line
    Cut(after, text)           a stream that ends in good order half-way: no finish, no [DONE]
    Drop(after, text)          the connection is dropped in the middle of the answer
    Malformed(body, status, content_type)       a complete response with broken JSON
    NoHeadersEnd(interval)                      header lines for ever
    Slow(step, delay), Drip(step, interval, size)    another step: later, or a few bytes at a time
    AsUsual()                                   what the server does without a script

Scraper plays Prometheus: it reads a /metrics page and answers questions about it.
ByHand is one of them with faults that a person switches (`kata upstream`); parse_script reads a
script from a line of text.
"""

from grader.upstreams.by_hand import ByHand, parse_script
from grader.upstreams.llm import FakeLLM
from grader.upstreams.scraper import Samples, ScrapeError, Scraper
from grader.upstreams.script import (
    Answer,
    AsUsual,
    Call,
    Cut,
    Drip,
    Drop,
    Hang,
    Json,
    Malformed,
    NoHeadersEnd,
    Slow,
    Status,
    Step,
    ToolCall,
)
from grader.upstreams.server import ScriptedServer
from grader.upstreams.vendor import FakeVendor

__all__ = [
    "Answer",
    "AsUsual",
    "ByHand",
    "Call",
    "Cut",
    "Drip",
    "Drop",
    "FakeLLM",
    "FakeVendor",
    "Hang",
    "Json",
    "Malformed",
    "NoHeadersEnd",
    "Samples",
    "ScrapeError",
    "Scraper",
    "ScriptedServer",
    "Slow",
    "Status",
    "Step",
    "ToolCall",
    "parse_script",
]
