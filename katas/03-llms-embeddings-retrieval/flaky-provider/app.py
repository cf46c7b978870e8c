"""POST /ask: one prompt in, one answer out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import settings
from client import Assistant, configure_logging
from fastapi import FastAPI
from pydantic import BaseModel, Field

configure_logging()
app = FastAPI(title="assistant")
assistant = Assistant(settings.load())


class AskRequest(BaseModel):
    prompt: str = Field(min_length=1, max_length=8000)
    deadline_ms: int = Field(ge=50, le=60_000)


@app.post("/ask")
async def ask(request: AskRequest) -> dict[str, Any]:
    return asdict(assistant.ask(request.prompt, request.deadline_ms))
