"""The churn service: says which customers are about to leave, and why."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI, HTTPException, Request, Response
from model import Model, Prediction, load_model
from monitoring.metrics import CONFIDENCE, CONTENT_TYPE, ERRORS, PREDICTIONS, exposition
from monitoring.middleware import Monitor, route_of
from pydantic import BaseModel, Field

MODEL_PATH = Path(os.environ.get("MODEL_PATH", Path(__file__).with_name("model.json")))
EXPLAINER_URL = os.environ.get("EXPLAINER_URL", "http://127.0.0.1:8900")
HANG_UP_CHECK_SECONDS = 0.1

T = TypeVar("T")
log = logging.getLogger("uvicorn.error")


class Customer(BaseModel):
    tenure_months: int = Field(ge=0)
    monthly_charge: float = Field(ge=0)
    support_calls: int = Field(ge=0)
    contract: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.model = None

    async def load() -> None:
        try:
            app.state.model = await asyncio.to_thread(load_model, MODEL_PATH)
        except Exception:
            # Nobody awaits this task: unsaid here, the service would stay unready without a word.
            log.exception("the model at %s cannot be loaded", MODEL_PATH)

    # In the background: the platform wants the port open within seconds.
    loading = asyncio.create_task(load())
    async with httpx.AsyncClient(base_url=EXPLAINER_URL, timeout=2.0) as client:
        app.state.explainer = client
        yield
    loading.cancel()


app = FastAPI(title="churn", lifespan=lifespan)
app.add_middleware(Monitor)


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
    model = the_model()
    try:
        prediction = await unless_gone(request, model.predict(numbers, customer.contract))
    except Exception:  # a client that hung up is none: CancelledError is no Exception
        ERRORS.labels(route_of(request.scope), "model").inc()
        raise
    PREDICTIONS.labels(prediction.label, prediction.model_version).inc()
    CONFIDENCE.labels(prediction.model_version).observe(prediction.confidence)
    return prediction


@app.post("/v1/customers/{customer_id}/predict")
async def predict(customer_id: int, customer: Customer, request: Request) -> Prediction:
    return await score(request, customer)


@app.post("/v1/customers/{customer_id}/explanation")
async def explain(customer_id: int, customer: Customer, request: Request) -> dict[str, Any]:
    prediction = await score(request, customer)
    facts = {"label": prediction.label, "customer": customer.model_dump()}
    try:
        reply = await app.state.explainer.post("/v1/explanations", json=facts)
        reply.raise_for_status()
        reason = str(reply.json()["text"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        ERRORS.labels(route_of(request.scope), "upstream").inc()
        raise HTTPException(502, "the explainer did not answer") from error
    return {"label": prediction.label, "reason": reason}


@app.get("/v1/model")
async def model_version() -> dict[str, str]:
    return {"version": the_model().version}


@app.get("/metrics", include_in_schema=False)
async def metrics() -> Response:
    return Response(exposition(), headers={"Content-Type": CONTENT_TYPE})


@app.get("/healthz", include_in_schema=False)
async def alive() -> dict[str, str]:
    """Whether a restart would help. The event loop answered, so it would not."""
    return {"status": "alive"}


@app.get("/readyz", include_in_schema=False)
async def ready() -> dict[str, str]:
    """Whether to send traffic: with the model in memory, and no matter how the explainer is."""
    return {"status": "ready", "model_version": the_model().version}
