"""POST /ask: one prompt in, one answer out, or a 503 that callers can rely on."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

import settings
from client import Assistant, ProvidersUnavailable

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("httpx").setLevel(logging.WARNING)

RETRY_AFTER_SECONDS = 2


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # A caller whose provider hangs occupies a thread; the default of 40 is soon used up.
    anyio.to_thread.current_default_thread_limiter().total_tokens = 100
    yield


app = FastAPI(title="assistant", lifespan=lifespan)
assistant = Assistant(settings.load())


class AskRequest(BaseModel):
    prompt: str = Field(min_length=1, max_length=8000)
    deadline_ms: int = Field(ge=50, le=60_000)


@app.post("/ask")
def ask(request: AskRequest) -> dict[str, Any]:
    return asdict(assistant.ask(request.prompt, request.deadline_ms))


@app.exception_handler(ProvidersUnavailable)
async def providers_unavailable(request: Request, error: ProvidersUnavailable) -> JSONResponse:
    # The same body whatever went wrong: callers match on it, and it gives nothing away.
    return JSONResponse(
        status_code=503,
        content={
            "error": "providers_unavailable",
            "message": "No provider could answer in time. Try again later.",
        },
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
