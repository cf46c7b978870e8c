"""Counts and times every request, whichever way it ends."""

import asyncio
import time

from monitoring.metrics import DURATION, ERRORS, IN_FLIGHT, REQUESTS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNCOUNTED = frozenset({"/metrics", "/healthz", "/readyz"})
CLIENT_GONE = 499
UNPROCESSABLE = 422


class Monitor:
    """Plain ASGI, so that it sees the end of the request as the application itself does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNCOUNTED:
            await self.app(scope, receive, send)
            return

        # An exception leaves here before the server turns it into a 500, so nothing was sent yet.
        status = 500

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        IN_FLIGHT.inc()
        started = time.perf_counter()
        try:
            await self.app(scope, receive, noting_status)
        except asyncio.CancelledError:
            status = CLIENT_GONE
            raise
        finally:
            IN_FLIGHT.dec()
            route = route_of(scope)
            model = getattr(scope["app"].state, "model", None)
            DURATION.labels(route).observe(time.perf_counter() - started)
            REQUESTS.labels(route, str(status), model.version if model else "none").inc()
            if status == UNPROCESSABLE:
                ERRORS.labels(route, "validation").inc()


def route_of(scope: Scope) -> str:
    """The template that the router chose, never the path that the client wrote."""
    return getattr(scope.get("route"), "path", "unmatched")
