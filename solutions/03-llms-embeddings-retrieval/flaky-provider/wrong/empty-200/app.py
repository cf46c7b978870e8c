"""POST /ask: one prompt in, one answer out, always with status 200."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

import settings
from client import Assistant
from fastapi import FastAPI
from pydantic import BaseModel, Field

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("httpx2").setLevel(logging.WARNING)

app = FastAPI(title="assistant")
assistant = Assistant(settings.load())


class AskRequest(BaseModel):
    prompt: str = Field(min_length=1, max_length=8000)
    deadline_ms: int = Field(ge=50, le=60_000)


@app.post("/ask")
async def ask(request: AskRequest) -> dict[str, Any]:
    return asdict(await assistant.ask(request.prompt, request.deadline_ms))
