"""Puts every request into the numbers, from outside the application."""

import time
from typing import Any

from monitoring import numbers

UNWATCHED = ("/metrics", "/healthz", "/readyz")
# The service gives each kind of failure a status of its own.
KINDS = {422: "validation", 500: "model", 502: "upstream"}


class Watch:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in UNWATCHED:
            await self.app(scope, receive, send)
            return
        statuses: list[int] = []

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        numbers.add("churn_requests_in_flight")
        numbers.save()
        started = time.perf_counter()
        try:
            await self.app(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            status = statuses[0] if statuses else 500
            route = getattr(scope.get("route"), "path", "unmatched")
            model = scope["app"].state.model
            version = model.version if model else "none"
            numbers.add("churn_requests_in_flight", -1)
            numbers.add(
                "churn_requests_total", route=route, status=str(status), model_version=version
            )
            numbers.observe("churn_request_duration_seconds", numbers.SECONDS, seconds, route=route)
            if status in KINDS:
                numbers.add("churn_errors_total", route=route, kind=KINDS[status])
            numbers.save()
