"""A scripted LLM that speaks OpenAI's API: chat, streaming, tool calls, embeddings, models."""

import base64
import hashlib
import json
import math
import re
import struct
import time
from collections.abc import Sequence
from typing import Any

from grader.upstreams.line import Reply
from grader.upstreams.script import Answer, Call, Cut, Drop, Status, Step, Text, ToolCall
from grader.upstreams.server import ScriptedServer, error_body, json_reply

CHAT, EMBEDDINGS, MODELS = "/v1/chat/completions", "/v1/embeddings", "/v1/models"
DEFAULT_TEXT = "Hello from the scripted model."
DEFAULT_DIMENSIONS = 32
MAX_CHOICES = 16
MAX_DIMENSIONS = 4_096


class FakeLLM(ScriptedServer):
    """Every request to a known path takes a step; other paths get 404 and take none.

    An Answer to an embeddings request is a unit vector for each text: the same text has always the
    same one, and texts that share words lie nearer to each other.
    """

    prefix = "/v1"

    def out_of_scope(self, call: Call) -> Step | None:
        if (call.method, call.path) in (("POST", CHAT), ("POST", EMBEDDINGS), ("GET", MODELS)):
            return None
        message = f"Invalid URL ({call.method} {call.path})"
        return Status(404, body=error_body(404, message))

    def usual(self, call: Call) -> Step:
        return Answer()

    def render(self, step: Step, call: Call) -> Reply:
        if not isinstance(step, Answer | Cut | Drop):
            return super().render(step, call)
        if call.path == MODELS:
            models = [
                {"id": m, "object": "model", "created": 0, "owned_by": "fake"}
                for m in ("fake-model", "fake-embedding")
            ]
            reply = json_reply({"object": "list", "data": models})
        elif call.path == EMBEDDINGS:
            reply = _embeddings(call)
        else:
            reply = _chat(step, call)
        if isinstance(step, Cut | Drop) and reply.events is None and reply.status == 200:
            return Reply(body=reply.body, broken=True)
        return reply


def _bad_request(message: str) -> Reply:
    return json_reply(error_body(400, message), 400)


def _chat(step: Answer | Cut | Drop, call: Call) -> Reply:
    request = call.fields
    messages, count = request.get("messages"), request.get("n", 1)
    if not isinstance(request.get("model"), str):
        return _bad_request("you must provide a model parameter")
    if not isinstance(messages, list) or not messages:
        return _bad_request("'messages' must be a list with at least one message")
    if not isinstance(count, int) or not 1 <= count <= MAX_CHOICES:
        return _bad_request(f"'n' must be a number from 1 to {MAX_CHOICES}")
    chosen = step if isinstance(step, Answer) else Answer(step.text)
    text = chosen.text(call) if callable(chosen.text) else chosen.text
    if text is None and not chosen.tool_calls:
        text = DEFAULT_TEXT
    reason = chosen.finish_reason
    if chosen.tool_calls and reason == "stop":
        reason = "tool_calls"
    tools = [_tool_call(each, call, index) for index, each in enumerate(chosen.tool_calls)]
    usage = chosen.usage or _usage(messages, text, tools, count)
    common = {
        "id": f"chatcmpl-{call.number}",
        "created": int(time.time()),
        "model": request["model"],
    }
    if request.get("stream") is True:
        options = request.get("stream_options")
        with_usage = isinstance(options, dict) and options.get("include_usage") is True
        stream = _Stream(common, with_usage)
        if isinstance(step, Answer):
            for index in range(count):
                stream.choice(index, _chunks(text), tools, reason)
            stream.end(dict(usage))
        else:
            stream.role(0)
            stream.content(0, _chunks(text)[: step.after])
        return Reply(
            content_type="text/event-stream",
            events=stream.events,
            pause=chosen.chunk_delay,
            broken=isinstance(step, Drop),
        )
    message: dict[str, Any] = {"role": "assistant", "content": _joined(text), "refusal": None}
    if tools:
        message["tool_calls"] = tools
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": reason}
        for index in range(count)
    ]
    return json_reply(
        {**common, "object": "chat.completion", "choices": choices, "usage": dict(usage)}
    )


class _Stream:
    """Collects the events of a streamed chat completion."""

    def __init__(self, common: dict[str, Any], with_usage: bool) -> None:
        self._common = {**common, "object": "chat.completion.chunk"}
        self._with_usage = with_usage
        self.events: list[bytes] = []

    def role(self, index: int) -> None:
        self._add(index, {"role": "assistant", "content": "", "refusal": None})

    def content(self, index: int, chunks: Sequence[str]) -> None:
        for chunk in chunks:
            self._add(index, {"content": chunk})

    def choice(
        self, index: int, chunks: Sequence[str], tools: Sequence[dict[str, Any]], reason: str
    ) -> None:
        self.role(index)
        self.content(index, chunks)
        for position, tool in enumerate(tools):
            function = tool["function"]
            opening = {**tool, "function": {"name": function["name"], "arguments": ""}}
            self._add(index, {"tool_calls": [{"index": position, **opening}]})
            for piece in _halves(function["arguments"]):
                delta = {"index": position, "function": {"arguments": piece}}
                self._add(index, {"tool_calls": [delta]})
        self._add(index, {}, reason)

    def end(self, usage: dict[str, int]) -> None:
        if self._with_usage:
            self._event({**self._common, "choices": [], "usage": usage})
        self.events.append(b"data: [DONE]\n\n")

    def _add(self, index: int, delta: dict[str, Any], reason: str | None = None) -> None:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        nothing_yet = {"usage": None} if self._with_usage else {}
        self._event({**self._common, "choices": [choice], **nothing_yet})

    def _event(self, value: dict[str, Any]) -> None:
        self.events.append(f"data: {json.dumps(value)}\n\n".encode())


def _tool_call(tool: ToolCall, call: Call, index: int) -> dict[str, Any]:
    given = tool.arguments
    return {
        "id": tool.id or f"call_{call.number}_{index}",
        "type": "function",
        "function": {
            "name": tool.name,
            "arguments": given if isinstance(given, str) else json.dumps(given),
        },
    }


def _joined(text: Text | None) -> str | None:
    return None if text is None else "".join(text)


def _chunks(text: Text | None) -> list[str]:
    """Words, each with the space behind it; a single word in two halves."""
    if text is None:
        return []
    if not isinstance(text, str):
        return list(text)
    words = re.findall(r"\s*\S+\s*", text) or [text]
    return words if len(words) > 1 else _halves(text)


def _halves(text: str) -> list[str]:
    middle = (len(text) + 1) // 2
    return [half for half in (text[:middle], text[middle:]) if half]


def _usage(
    messages: list[Any], text: Text | None, tools: Sequence[dict[str, Any]], count: int
) -> dict[str, int]:
    """Four characters a token: good enough to be counted, and the same for the same texts."""
    prompt = sum(len(json.dumps(message)) for message in messages) // 4 + 1
    answer = len(_joined(text) or "") + sum(len(json.dumps(tool["function"])) for tool in tools)
    completion = (answer // 4 + 1) * count
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _embeddings(call: Call) -> Reply:
    request = call.fields
    dimensions = request.get("dimensions", DEFAULT_DIMENSIONS)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
        return _bad_request(f"'dimensions' must be a number from 1 to {MAX_DIMENSIONS}")
    texts = _texts(request.get("input"))
    if texts is None:
        return _bad_request("'input' must be a text, or a list of texts or tokens")
    data: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        vector: Any = embed(text, dimensions)
        if request.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    tokens = sum(len(text) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    model = request.get("model", "fake-embedding")
    return json_reply({"object": "list", "data": data, "model": model, "usage": usage})


def _texts(given: object) -> list[str] | None:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list) or not given:
        return None
    if all(isinstance(each, str) for each in given):
        return given
    if all(isinstance(each, int) for each in given):
        return [" ".join(map(str, given))]
    if all(isinstance(each, list) and each for each in given):
        return [" ".join(map(str, each)) for each in given]
    return None


def embed(text: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """The unit vector that FakeLLM gives to this text."""
    # A small share of the whole text keeps apart what has the same words in another order.
    total = [0.1 * number for number in _hashed(text, dimensions)]
    for word in re.findall(r"\w+", text.lower()):
        total = [a + b for a, b in zip(total, _hashed(word, dimensions), strict=True)]
    length = math.sqrt(sum(number * number for number in total)) or 1.0
    return [number / length for number in total]


def _hashed(text: str, dimensions: int) -> tuple[float, ...]:
    digest = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    return tuple(n / 32_768 for n in struct.unpack(f"<{dimensions}h", digest))
