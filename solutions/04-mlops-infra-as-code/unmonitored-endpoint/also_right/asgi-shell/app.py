"""The churn service: says which customers are about to leave, and why."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from model import Model, Prediction, load_model
from pydantic import BaseModel, Field

if os.environ.get("METRICS_DIR"):
    Path(os.environ["METRICS_DIR"]).mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ["METRICS_DIR"]
import prometheus_client as prometheus  # after the variable, which it reads when imported
from prometheus_client.multiprocess import MultiProcessCollector

MODEL_PATH = Path(os.environ.get("MODEL_PATH", Path(__file__).with_name("model.json")))
EXPLAINER_URL = os.environ.get("EXPLAINER_URL", "http://127.0.0.1:8900")
HANG_UP_CHECK_SECONDS = 0.1

T = TypeVar("T")

requests = prometheus.Counter("churn_requests", "Requests.", ["route", "status", "model_version"])
duration = prometheus.Histogram(
    "churn_request_duration_seconds",
    "Seconds.",
    ["route"],
    buckets=[0.008 * 2**n for n in range(14)],
)
in_flight = prometheus.Gauge("churn_requests_in_flight", "Now.", multiprocess_mode="sum")
errors = prometheus.Counter("churn_errors", "Errors.", ["route", "kind"])
predictions = prometheus.Counter("churn_predictions", "Made.", ["label", "model_version"])
confidence = prometheus.Histogram(
    "churn_prediction_confidence",
    "Confidence.",
    ["model_version"],
    buckets=[n / 20 for n in range(10, 21)],
)


class Customer(BaseModel):
    tenure_months: int = Field(ge=0)
    monthly_charge: float = Field(ge=0)
    support_calls: int = Field(ge=0)
    contract: str


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    api.state.model = None

    async def load() -> None:
        try:
            api.state.model = await asyncio.to_thread(load_model, MODEL_PATH)
        except Exception:
            logging.getLogger("uvicorn.error").exception("no model from %s", MODEL_PATH)

    # In the background: the platform wants the port open within seconds.
    loading = asyncio.create_task(load())
    async with httpx.AsyncClient(base_url=EXPLAINER_URL, timeout=2.0) as client:
        api.state.explainer = client
        yield
    loading.cancel()


api = FastAPI(title="churn", lifespan=lifespan)


def the_model() -> Model:
    if api.state.model is None:
        raise HTTPException(503, "the model is still being loaded", {"Retry-After": "5"})
    return api.state.model


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
    except Exception as error:
        request.scope["error_kind"] = "model"
        raise error
    predictions.labels(prediction.label, model.version).inc()
    confidence.labels(model.version).observe(prediction.confidence)
    return prediction


@api.post("/v1/customers/{customer_id}/predict")
async def predict(customer_id: int, customer: Customer, request: Request) -> Prediction:
    prediction = await score(request, customer)
    return prediction


@api.post("/v1/customers/{customer_id}/explanation")
async def explain(customer_id: int, customer: Customer, request: Request) -> dict[str, Any]:
    prediction = await score(request, customer)
    facts = {"label": prediction.label, "customer": customer.model_dump()}
    try:
        reply = await api.state.explainer.post("/v1/explanations", json=facts)
        reply.raise_for_status()
        reason = str(reply.json()["text"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        request.scope["error_kind"] = "upstream"
        raise HTTPException(502, "the explainer did not answer") from error
    return {"label": prediction.label, "reason": reason}


@api.get("/v1/model")
async def model_version() -> dict[str, str]:
    return {"version": the_model().version}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """What uvicorn serves: a shell that answers scrapes and probes, and watches all the rest."""
    if scope["type"] != "http":
        await api(scope, receive, send)
    elif scope["path"] in WATCHERS:
        await WATCHERS[scope["path"]]()(scope, receive, send)
    else:
        await watched(scope, receive, send)


async def watched(scope: dict[str, Any], receive: Any, send: Any) -> None:
    status = "499"  # until an answer begins; an exception that is no cancellation sends a 500

    async def noting(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = str(message["status"])
        await send(message)

    started = time.monotonic()
    with in_flight.track_inprogress():
        try:
            await api(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            version = api.state.model.version if api.state.model else "none"
            requests.labels(route, status, version).inc()
            duration.labels(route).observe(time.monotonic() - started)
            kind = "validation" if status == "422" else scope.get("error_kind")
            if kind:
                errors.labels(route, kind).inc()


def page() -> PlainTextResponse:
    registry = prometheus.REGISTRY
    if os.environ.get("METRICS_DIR"):
        registry = prometheus.CollectorRegistry()
        MultiProcessCollector(registry)
    return PlainTextResponse(
        prometheus.generate_latest(registry), media_type=prometheus.CONTENT_TYPE_LATEST
    )


def readiness() -> JSONResponse:
    loaded = api.state.model is not None
    return JSONResponse({"ready": loaded}, status_code=200 if loaded else 503)


WATCHERS = {
    "/metrics": page,
    "/healthz": lambda: PlainTextResponse("alive"),
    "/readyz": readiness,
}
