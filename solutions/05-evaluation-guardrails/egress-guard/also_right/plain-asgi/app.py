"""A plain ASGI application. The caller's bytes go to the model untouched; answers pass the machine."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import sys
from typing import Any

import httpx
from guard.links import Links
from guard.machine import Machine
from guard.secrets import Secrets

env = os.environ
policy = json.loads(pathlib.Path(env["POLICY_FILE"]).read_text("utf-8"))
log = logging.getLogger("egress")
log.addHandler(logging.StreamHandler(sys.stdout))
log.setLevel(logging.INFO)
log.propagate = False
client: httpx.AsyncClient | None = None


class Refused(Exception):
    def __init__(self, status: int, retry_after: str | None = None) -> None:
        self.status, self.retry_after = status, retry_after


class Answer:
    """The texts of one answer, by the index of their choice."""

    def __init__(self) -> None:
        self.links = Links(policy["hosts"])
        self.secrets = Secrets(env["CANARY"], policy["public_emails"])
        self.machines: dict[int, Machine] = {}

    def machine(self, index: int) -> Machine:
        if index not in self.machines:
            code = self.secrets.guard
            self.machines[index] = Machine(lambda text: code(self.links.guard(text)), code)
        return self.machines[index]

    def whole(self, answer: Any) -> bytes:
        for choice in answer["choices"]:
            message, machine = choice["message"], self.machine(choice["index"])
            if message.get("content"):
                message["content"] = machine.push(message["content"]) + machine.end()
        return json.dumps(answer).encode()

    def chunk(self, chunk: Any) -> bytes:
        for choice in chunk.get("choices", ()):
            machine, delta = self.machine(choice["index"]), choice["delta"]
            text = machine.push(delta.get("content") or "")
            if choice["finish_reason"]:
                text += machine.end()
            if text or "content" in delta and delta["content"] is not None:
                delta["content"] = text
        return b"data: %s\n\n" % json.dumps(chunk).encode()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if (scope["method"], scope["path"]) != ("POST", "/v1/chat/completions"):
        return await respond(send, 404, failure(404))
    answer, status = Answer(), 502
    try:
        await handle(await everything(receive), answer, send)
        status = 200
    except Refused as refused:
        status = refused.status
        await respond(send, status, failure(status), refused.retry_after)
    except ConnectionError:
        pass
    finally:
        found = {"blocked": answer.links.blocked, "redacted": answer.secrets.redacted}
        log.info(json.dumps({"event": "chat", "status": status, **found}))


async def handle(raw: bytes, answer: Answer, send: Any) -> None:
    global client
    client = client or httpx.AsyncClient(timeout=60)
    try:
        asked = json.loads(raw)
    except ValueError:
        raise Refused(400) from None
    if not isinstance(asked, dict):
        raise Refused(400)
    headers = {"Authorization": f"Bearer {env['UPSTREAM_API_KEY']}", "Content-Type": "application/json"}
    url = env["UPSTREAM_URL"] + "/chat/completions"
    begun = False
    try:
        async with client.stream("POST", url, content=raw, headers=headers) as reply:
            if reply.status_code != 200:
                passed = reply.status_code if 400 <= reply.status_code < 500 else 502
                raise Refused(passed, reply.headers.get("retry-after"))
            if not asked.get("stream"):
                try:
                    body = answer.whole(json.loads(await reply.aread()))
                except (ValueError, LookupError, TypeError):
                    raise Refused(502) from None
                return await respond(send, 200, body)
            begun = True
            await start(send, 200, b"text/event-stream")
            await relay(reply, answer, send)
    except httpx.HTTPError:
        if not begun:
            raise Refused(502) from None
        raise ConnectionError from None


async def relay(reply: httpx.Response, answer: Answer, send: Any) -> None:
    rest = b""
    async for piece in reply.aiter_raw():
        rest += piece
        while b"\n\n" in rest:
            event, rest = rest.split(b"\n\n", 1)
            data = b"".join(line[5:] for line in event.split(b"\n") if line[:5] == b"data:").strip()
            if data and data != b"[DONE]":
                await more(send, answer.chunk(json.loads(data)))
            elif data:
                await more(send, b"data: [DONE]\n\n")
                await more(send, b"", last=True)
                return
    raise ConnectionError


async def everything(receive: Any) -> bytes:
    body, event = b"", {"more_body": True}
    while event.get("more_body"):
        event = await receive()
        body += event.get("body", b"")
    return body


async def start(send: Any, status: int, kind: bytes, retry_after: str | None = None) -> None:
    headers = [(b"content-type", kind)]
    if retry_after:
        headers.append((b"retry-after", retry_after.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def more(send: Any, body: bytes, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not last})


async def respond(send: Any, status: int, body: bytes, retry_after: str | None = None) -> None:
    await start(send, status, b"application/json", retry_after)
    await more(send, body, last=True)


def failure(status: int) -> bytes:
    return json.dumps({"error": {"message": f"No answer ({status}).", "type": "egress"}}).encode()
