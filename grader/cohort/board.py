"""The report, live: one page that asks for what has changed since, every two seconds.

On the loopback anybody on this machine may read it, as they may the file that `kata cohort report`
writes; anywhere else a token is needed.
"""

import errno
import hmac
import ipaddress
import json
import secrets
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import fastapi
import uvicorn
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse

from grader.cohort.report import Report
from grader.errors import UsageError

_COOKIE = "kata-board"
#: Asked no more often than this, and no more than a quarter of the time.
_SECONDS, _SHARE = 2.0, 4
#: Even when nothing happens, due times pass.
_STALE_SECONDS = 60.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Board:
    """The latest report, and what of it changed when."""

    def __init__(self, make: Callable[[], Report], pulse: Callable[[], object]) -> None:
        """`make` gives a report; `pulse` differs whenever a new one would."""
        self._make, self._pulse = make, pulse
        self._lock = threading.Lock()
        self._seen: object = None
        self._made = self._due = 0.0
        self._revision = 0
        #: A page that was served by another start of the board begins anew.
        self._start = secrets.token_hex(4)
        self._cells: dict[tuple[str, int], tuple[int, list[str]]] = {}
        self._parts: dict[str, tuple[int, str]] = {}
        self.report = self._refresh()

    def _current(self) -> tuple[Report, str]:
        """The report, made anew if it is old and something has happened; and its revision."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _SECONDS
            if self._pulse() != self._seen or now - self._made > _STALE_SECONDS:
                self.report = self._refresh()
        return self.report, f"{self._start}-{self._revision}"

    def page(self) -> str:
        with self._lock:
            report, revision = self._current()
        return report.page(revision)

    def changes(self, since: str) -> dict[str, Any]:
        """What differs from revision `since`; all where it is not known."""
        start, _, number = since.partition("-")
        known = int(number) if start == self._start and number.isdecimal() else -1
        with self._lock:
            report, revision = self._current()
            return {
                "revision": revision,
                "reload": bool(since) and known < 0,
                "running": any(each.state == "running" for each in report.runs),
                "parts": {id: html for id, (at, html) in self._parts.items() if at > known},
                "cells": [
                    [learner, column, *cell]
                    for (learner, column), (at, cell) in self._cells.items()
                    if at > known
                ],
            }

    def _refresh(self) -> Report:
        started = time.monotonic()
        # Before the report: what comes while it is made is in the next one.
        self._seen = self._pulse()
        report = self._make()
        self._revision += 1
        parts = {id: (self._revision, html) for id, html in report.parts().items()}
        cells = {
            (learner, column): (self._revision, cell)
            for learner, row in report.cells.items()
            for column, cell in enumerate(row)
        }
        self._parts = _newer(self._parts, parts)
        self._cells = _newer(self._cells, cells)
        self._made = time.monotonic()
        self._due = self._made + max(_SECONDS, _SHARE * (self._made - started))
        return report


def _newer(old: dict[Any, tuple[int, Any]], new: dict[Any, tuple[int, Any]]) -> dict[Any, Any]:
    """The new entries, but with their old revision where nothing has changed."""
    return {
        key: old[key] if key in old and old[key][1] == entry[1] else entry
        for key, entry in new.items()
    }


def app(board: Board, token: str | None = None) -> fastapi.FastAPI:
    """The board as an ASGI application. Without a token it answers to loopback names only."""
    api = fastapi.FastAPI(openapi_url=None)

    @api.middleware("http")
    async def guard(
        request: fastapi.Request, go_on: Callable[[fastapi.Request], Awaitable[fastapi.Response]]
    ) -> fastapi.Response:
        reply = _refusal(request, token) or await go_on(request)
        reply.headers.update(_HEADERS)
        return reply

    @api.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse(board.page())

    @api.get("/changes")
    def changes(since: str = "") -> fastapi.Response:
        # Plain: a validator would take longer over the cells than the database did.
        text = json.dumps(board.changes(since), separators=(",", ":"))
        return fastapi.Response(text, media_type="application/json")

    return api


def _refusal(request: fastapi.Request, token: str | None) -> fastapi.Response | None:
    """The answer to whoever may not read the board; None for who may."""
    if token is None:
        # Else a page elsewhere could read the board through a name that it points here.
        if is_loopback(request.url.hostname or ""):
            return None
        return PlainTextResponse("this board is reached as 127.0.0.1 or localhost\n", 403)
    given = request.query_params.get("token")
    if given is not None and hmac.compare_digest(given.encode(), token.encode()):
        # Out of the address line, so that it is in no history that somebody looks at.
        reply = RedirectResponse(request.url.path, 303)
        reply.set_cookie(_COOKIE, token, httponly=True, samesite="strict")
        return reply
    if hmac.compare_digest(request.cookies.get(_COOKIE, "").encode(), token.encode()):
        return None
    if request.url.path == "/changes":
        return JSONResponse({"detail": "the token is missing"}, 401)
    return PlainTextResponse(
        "this board needs its token: open the address that kata cohort board has printed\n", 401
    )


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def serve(
    board: Board, host: str, port: int, token: str | None, ready: Callable[[str], None]
) -> None:
    """Serves until interrupted; `ready` is told the address. Raises `UsageError`."""
    if token is None and not is_loopback(host):
        raise UsageError(f"whoever reaches {host} could read this board; it needs a token")
    config = uvicorn.Config(app(board, token), host=host, port=port, log_level="warning",
                            server_header=False)  # fmt: skip
    # From here on connections wait; the server takes a moment to ask for them.
    listener = _listener(host, port)
    shown = f"[{host}]" if ":" in host else host
    query = f"?token={token}" if token else ""
    ready(f"http://{shown}:{listener.getsockname()[1]}/{query}")
    uvicorn.Server(config).run([listener])


def _listener(host: str, port: int) -> socket.socket:
    """Not uvicorn's own, which logs what is wrong and exits. Raises `UsageError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    nowhere = UsageError(
        f"{host} is no address of this machine; without --host the board is on 127.0.0.1, with "
        "--host 0.0.0.0 on every address"
    )
    try:
        socket.getaddrinfo(host, port, family)
    except (socket.gaierror, UnicodeError):
        raise nowhere from None
    try:
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise nowhere from None
        if error.errno == errno.EADDRINUSE:
            why = "is taken, perhaps by another board"
        elif error.errno == errno.EACCES:
            why = "is kept for the system; those from 1024 on are not"
        else:
            why = f"cannot be used ({error.strerror})"
        raise UsageError(f"port {port} of {host} {why}; --port 0 takes a free one") from None
