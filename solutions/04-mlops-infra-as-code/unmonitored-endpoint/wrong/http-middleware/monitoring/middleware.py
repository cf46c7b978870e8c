"""Counts and times every request, whichever way it ends."""

import time
from collections.abc import Awaitable, Callable

from monitoring.metrics import DURATION, ERRORS, IN_FLIGHT, REQUESTS
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

UNCOUNTED = frozenset({"/metrics", "/healthz", "/readyz"})
UNPROCESSABLE = 422


async def monitor(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    if request.url.path in UNCOUNTED:
        return await call_next(request)
    status = 500
    IN_FLIGHT.inc()
    started = time.perf_counter()
    try:
        response = await call_next(request)
        status = response.status_code
        return response
    finally:
        IN_FLIGHT.dec()
        route = route_of(request.scope)
        model = request.app.state.model
        DURATION.labels(route).observe(time.perf_counter() - started)
        REQUESTS.labels(route, str(status), model.version if model else "none").inc()
        if status == UNPROCESSABLE:
            ERRORS.labels(route, "validation").inc()


def route_of(scope: Scope) -> str:
    """The template that the router chose, never the path that the client wrote."""
    return getattr(scope.get("route"), "path", "unmatched")
