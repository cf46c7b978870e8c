"""A route that enters each of its requests into the ledger."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from monitoring import ledger


class ModelError(Exception):
    """The model raised; where it did stands in `__cause__`."""


class LedgerRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def entered(request: Request) -> Response:
            ledger.write(ledger.in_flight(+1))
            started = time.perf_counter()
            status, kind = 500, ""
            try:
                response = await handle(request)
                status = response.status_code
                return response
            except RequestValidationError:
                status, kind = 422, "validation"
                raise
            except HTTPException as error:
                status, kind = error.status_code, "upstream" if error.status_code == 502 else ""
                raise
            except ModelError:
                kind = "model"
                raise
            except asyncio.CancelledError:
                status = 499
                raise
            finally:
                seconds = time.perf_counter() - started
                rows = entry(request, self.path, status, seconds)
                if kind:
                    rows.append(ledger.count("churn_errors", self.path, kind))
                ledger.write(ledger.in_flight(-1), *rows)

        return entered


def entry(request: Request, route: str, status: int, seconds: float) -> list[ledger.Row]:
    model = request.app.state.model
    version = model.version if model else "none"
    return [
        ledger.count("churn_requests", route, str(status), version),
        *ledger.observe("churn_request_duration_seconds", route, seconds),
    ]
