"""The churn service: says which customers are about to leave, and why."""

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI, HTTPException, Request
from model import Model, Prediction, load_model
from pydantic import BaseModel, Field

MODEL_PATH = Path(os.environ.get("MODEL_PATH", Path(__file__).with_name("model.json")))
EXPLAINER_URL = os.environ.get("EXPLAINER_URL", "http://127.0.0.1:8900")
HANG_UP_CHECK_SECONDS = 0.1

T = TypeVar("T")


class Customer(BaseModel):
    tenure_months: int = Field(ge=0)
    monthly_charge: float = Field(ge=0)
    support_calls: int = Field(ge=0)
    contract: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.model = None

    async def load() -> None:
        app.state.model = await asyncio.to_thread(load_model, MODEL_PATH)

    # In the background: the platform wants the port open within seconds.
    loading = asyncio.create_task(load())
    async with httpx.AsyncClient(base_url=EXPLAINER_URL, timeout=2.0) as client:
        app.state.explainer = client
        yield
    loading.cancel()


app = FastAPI(title="churn", lifespan=lifespan)


def the_model() -> Model:
    if app.state.model is None:
        raise HTTPException(503, "the model is still being loaded", {"Retry-After": "5"})
    return app.state.model


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; cancels it when the client hangs up, for the accelerator is dear."""
    task = asyncio.create_task(work)
    while not task.done():
        await asyncio.wait({task}, timeout=HANG_UP_CHECK_SECONDS)
        if not task.done() and await request.is_disconnected():
            task.cancel()
    return await task


async def score(request: Request, customer: Customer) -> Prediction:
    numbers = customer.model_dump(exclude={"contract"})
    return await unless_gone(request, the_model().predict(numbers, customer.contract))


@app.post("/v1/customers/{customer_id}/predict")
async def predict(customer_id: int, customer: Customer, request: Request) -> Prediction:
    prediction = await score(request, customer)
    print(f"customer {customer_id}: {prediction.label} ({prediction.confidence:.2f})")
    return prediction


@app.post("/v1/customers/{customer_id}/explanation")
async def explain(customer_id: int, customer: Customer, request: Request) -> dict[str, Any]:
    prediction = await score(request, customer)
    facts = {"label": prediction.label, "customer": customer.model_dump()}
    try:
        reply = await app.state.explainer.post("/v1/explanations", json=facts)
        reply.raise_for_status()
        reason = str(reply.json()["text"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise HTTPException(502, "the explainer did not answer") from error
    return {"label": prediction.label, "reason": reason}


@app.get("/v1/model")
async def model_version() -> dict[str, str]:
    return {"version": the_model().version}
