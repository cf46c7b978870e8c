"""No asyncio of our own: a thread for each request, which looks at the whole text so far, each time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import guard
import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response, StreamingResponse

app = FastAPI()
model = httpx.Client(timeout=60, headers={"Authorization": f"Bearer {guard.KEY}"})


def log(status: int, found: list[tuple[str, int, int]] = []) -> None:  # noqa: B006
    blocked, redacted = sum(each[1] for each in found), sum(each[2] for each in found)
    line = {"event": "chat", "status": status, "blocked": blocked, "redacted": redacted}
    print(json.dumps(line), flush=True)


def failed(status: int, **headers: str) -> Response:
    log(status)
    body = json.dumps({"error": {"message": "The guard has no answer.", "type": "guard"}})
    return Response(body, status, headers, media_type="application/json")


async def body_of(request: Request) -> bytes:
    return await request.body()


@app.post("/v1/chat/completions")
def chat(raw: Annotated[bytes, Depends(body_of)]) -> Response:
    try:
        asked = json.loads(raw)
    except ValueError:
        return failed(400)
    if not isinstance(asked, dict):
        return failed(400)
    request = model.build_request(
        "POST", f"{guard.UPSTREAM}/chat/completions", content=raw,
        headers={"Content-Type": "application/json"},
    )
    try:
        reply = model.send(request, stream=True)
        if reply.status_code == 200 and asked.get("stream"):
            return StreamingResponse(relay(reply), media_type="text/event-stream")
        reply.read()
    except httpx.HTTPError:
        return failed(502)
    if 400 <= reply.status_code < 500:
        after = reply.headers.get("retry-after")
        return failed(reply.status_code, **({"Retry-After": after} if after else {}))
    try:
        answer = reply.json()
        found = []
        for choice in answer["choices"]:
            text = choice["message"]["content"]
            if text is not None:
                found.append(guard.guarded(text))
                choice["message"]["content"] = found[-1][0]
    except (ValueError, KeyError, TypeError):
        return failed(502)
    log(200, found)
    return Response(json.dumps(answer), media_type="application/json")


def relay(reply: httpx.Response) -> Iterator[str]:
    so_far: dict[int, str] = {}
    sent: dict[int, int] = {}
    status = 502
    try:
        rest = b""
        for piece in reply.iter_bytes():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if not line.startswith(b"data:"):
                    continue
                if line[5:].strip() == b"[DONE]":
                    status = 200
                    yield "data: [DONE]\n\n"
                else:
                    yield f"data: {json.dumps(guarded_chunk(json.loads(line[5:]), so_far, sent))}\n\n"
    except httpx.HTTPError:
        pass
    finally:
        reply.close()
        log(status, [guard.guarded(text) for text in so_far.values()])


def guarded_chunk(chunk: dict[str, Any], so_far: dict[int, str], sent: dict[int, int]) -> dict[str, Any]:
    for choice in chunk["choices"]:
        index, delta = choice["index"], choice["delta"]
        text = so_far[index] = so_far.get(index, "") + (delta.get("content") or "")
        upto = len(text) if choice.get("finish_reason") else guard.decided(text)
        out = guard.guarded(text[:upto])[0]
        new = out[sent.get(index, 0) :]
        sent[index] = len(out)
        if new or delta.get("content") is not None:
            delta["content"] = new
    return chunk
