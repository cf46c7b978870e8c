"""The egress guard: OpenAI's chat API, with the model behind it and the chat page before it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from guard import links, policy, prompts, secrets

logging.basicConfig(level=logging.INFO, format="%(message)s")
logging.getLogger("httpx").setLevel(logging.WARNING)
log = logging.getLogger("guard")

settings = policy.load()
upstream = httpx.AsyncClient(
    base_url=settings.upstream_url,
    headers={"Authorization": f"Bearer {settings.upstream_key}"},
    timeout=60,
)
app = FastAPI(title="egress guard")


class Tally:
    """What was found in one answer."""

    def __init__(self) -> None:
        self.blocked = 0
        self.redacted = 0

    def clean(self, text: str) -> str:
        text, blocked = links.block(text, settings.policy)
        text, redacted = secrets.redact(text, settings.policy, settings.canary)
        self.blocked += blocked
        self.redacted += redacted
        return text

    def tell(self, status: int, stream: bool) -> None:
        line = {"event": "chat", "status": status, "stream": stream, **vars(self)}
        log.info(json.dumps(line))


def error(status: int, message: str, kind: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": kind, "code": None}}, status)


@app.post("/v1/chat/completions")
async def chat(request: Request) -> Response:
    body = await request.json()
    log.info("request: %s", json.dumps(body))
    if prompts.suspicious(body["messages"]):
        log.warning("suspicious prompt refused: %s", body["messages"][-1]["content"])
        return error(400, "This prompt looks like an attack.", "prompt_refused")

    tally = Tally()
    if body.get("stream"):
        return StreamingResponse(relay(body, tally), media_type="text/event-stream")

    reply = await upstream.post("/chat/completions", json=body)
    if reply.status_code != 200:
        log.error("upstream: %d %s, sent %s", reply.status_code, reply.text, upstream.headers)
        return JSONResponse(reply.json(), reply.status_code)
    answer = reply.json()
    log.info("answer: %s", json.dumps(answer))
    for choice in answer["choices"]:
        message = choice["message"]
        message["content"] = tally.clean(message["content"])
    tally.tell(200, stream=False)
    return JSONResponse(answer)


async def relay(body: dict[str, Any], tally: Tally) -> AsyncIterator[str]:
    async with upstream.stream("POST", "/chat/completions", json=body) as reply:
        async for line in reply.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line.removeprefix("data: "))
            delta = chunk["choices"][0]["delta"]
            if delta.get("content"):
                delta["content"] = tally.clean(delta["content"])
            yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"
    tally.tell(200, stream=True)
