"""POST /ask: one prompt in, one answer out, or a 503 that callers can rely on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import settings
from client import Assistant, ProvidersUnavailable
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

RETRY_AFTER_SECONDS = "2"

app = FastAPI()
assistant = Assistant(settings.load())


class AskRequest(BaseModel):
    prompt: str = Field(min_length=1, max_length=8000)
    deadline_ms: int = Field(ge=50, le=60_000)


@app.post("/ask")
async def ask(request: AskRequest) -> dict[str, Any]:
    return asdict(await assistant.ask(request.prompt, request.deadline_ms))


@app.exception_handler(ProvidersUnavailable)
async def providers_unavailable(request: Request, error: ProvidersUnavailable) -> JSONResponse:
    # The same body whatever went wrong: callers match on it, and it gives nothing away.
    return JSONResponse(
        status_code=503,
        content={
            "error": "providers_unavailable",
            "message": "No provider could answer in time. Try again later.",
        },
        headers={"Retry-After": RETRY_AFTER_SECONDS},
    )
