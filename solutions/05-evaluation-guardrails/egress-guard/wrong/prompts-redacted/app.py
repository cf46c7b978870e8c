"""The egress guard: OpenAI's chat API, with the model behind it and the chat page before it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from guard import answers, policy, secrets, wire
from guard.logs import tell

settings = policy.load()
upstream = httpx.AsyncClient(
    base_url=settings.upstream_url,
    headers={
        "Authorization": f"Bearer {settings.upstream_key}",
        "Content-Type": "application/json",
    },
    timeout=60,
)
app = FastAPI(title="egress guard")


@app.post("/v1/chat/completions")
async def chat(request: Request) -> Response:
    raw = await request.body()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        return refuse(400, "The request is no JSON object.")
    try:
        asked = upstream.build_request("POST", "/chat/completions", content=secrets.redact(raw.decode(), settings.policy, settings.canary)[0])
        reply = await upstream.send(asked, stream=True)
    except httpx.HTTPError as failure:
        return refuse(502, "The model cannot be reached.", cause=type(failure).__name__)
    if reply.status_code == 200 and body.get("stream") is True:
        return StreamingResponse(relay(reply), media_type="text/event-stream")
    try:
        content = await reply.aread()
    except httpx.HTTPError as failure:
        return refuse(502, "The model's answer broke off.", cause=type(failure).__name__)
    finally:
        await reply.aclose()
    if reply.status_code != 200:
        return refused_upstream(reply)
    try:
        answer, found = answers.whole(json.loads(content), settings)
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError):
        return refuse(502, "The model's answer cannot be read.")
    tell(status=200, **found)
    return Response(json.dumps(answer), media_type="application/json")


async def relay(reply: httpx.Response) -> AsyncIterator[str]:
    """The events of one answer, each as soon as it may go."""
    answer = answers.Streamed(settings)
    status = 502  # in the log only: the client can tell by the missing end
    try:
        async for event in wire.events(reply.aiter_bytes()):
            if event == "[DONE]":
                status = 200
                yield "data: [DONE]\n\n"
                return
            yield f"data: {json.dumps(answer.chunk(json.loads(event)))}\n\n"
    except (httpx.HTTPError, ValueError, TypeError, LookupError, AttributeError):
        pass
    finally:
        await reply.aclose()
        tell(status=status, **answer.found)


def refused_upstream(reply: httpx.Response) -> Response:
    """The provider's status, in our own words: its own may repeat a key or the prompt."""
    if reply.status_code >= 500 or reply.status_code < 400:
        return refuse(502, "The model's provider has a fault.", upstream=reply.status_code)
    headers = {}
    if "retry-after" in reply.headers:
        headers["Retry-After"] = reply.headers["retry-after"]
    return refuse(reply.status_code, "The model's provider refused the request.", headers)


def refuse(
    status: int, message: str, headers: dict[str, str] | None = None, **more: Any
) -> Response:
    tell(status=status, blocked=0, redacted=0, **more)
    kind = "upstream_error" if status == 502 else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return Response(json.dumps(body), status, headers, media_type="application/json")
