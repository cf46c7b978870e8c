"""The HTTP server below every scripted upstream: a thread for each connection."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Self

from grader.upstreams.line import Dropped, HungUp, Line, Refused, Reply
from grader.upstreams.script import (
    Answer,
    AsUsual,
    Call,
    Drip,
    Hang,
    Json,
    Malformed,
    NoHeadersEnd,
    Scripted,
    Slow,
    Status,
    Step,
)

HOST = "127.0.0.1"
MAX_CONNECTIONS = 1_000
STOP_SECONDS = 1.0


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, json.dumps(value).encode(), headers=headers or {})


def error_body(status: int, message: str | None = None) -> dict[str, Any]:
    """An error in the shape of OpenAI's API."""
    with suppress(ValueError):
        message = message or HTTPStatus(status).phrase
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = {401: "invalid_api_key", 404: "not_found", 429: "rate_limit_exceeded"}.get(status)
    if status == 429:
        kind = "requests"
    error = {"message": message or f"status {status}", "type": kind, "param": None, "code": code}
    return {"error": error}


def _decimal(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


class ScriptedServer(Scripted):
    """Starts, stops and plays steps. What answering as usual means, subclasses say."""

    prefix = ""

    def __init__(self, script: Iterable[Step] = (), port: int = 0) -> None:
        super().__init__(script)
        self._port = port
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._open: dict[socket.socket, threading.Thread] = {}
        self._open_lock = threading.Lock()
        self.stopping = threading.Event()
        self.on_call: Callable[[Call], None] | None = None  # told of each call and its step
        self.on_end: Callable[[Call], None] | None = None  # told of it again once it is over

    def start(self) -> Self:
        """Binds the port, the same as before when it was already started once, and serves."""
        if self._listener is not None:
            raise RuntimeError("the server is already running")
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._port))
            listener.listen(256)
        except OSError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        self._listener = listener
        self.stopping = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._acceptor.start()
        return self

    def stop(self) -> None:
        """Closes the port and every connection at once. Does nothing when not running."""
        if self._listener is None or self._acceptor is None:
            return
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept() on Linux; close() elsewhere
        self._listener.close()
        self._listener = None
        deadline = time.monotonic() + STOP_SECONDS
        self._acceptor.join(STOP_SECONDS)
        with self._open_lock:
            threads = [t for t in self._open.values() if t is not threading.current_thread()]
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        if not self._port:
            raise RuntimeError("the address is known once the server is started")
        return f"http://{HOST}:{self._port}{self.prefix}"

    def _accept(self, listener: socket.socket) -> None:
        stopping = self.stopping
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                # Out of descriptors, or a client gone before it was accepted: not for ever.
                stopping.wait(0.01)
                continue
            with self._open_lock:
                if stopping.is_set() or len(self._open) >= MAX_CONNECTIONS:
                    connection.close()
                    continue
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._open[connection] = thread
            try:
                thread.start()
            except RuntimeError:  # no more threads are to be had
                self._close(connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A socket is closed only once its file is, which a kept traceback would put off.
            with connection.makefile("rb") as incoming:
                line = Line(connection, incoming, self.stopping)
                while self._serve_one(line):
                    pass
        except (OSError, HungUp, Dropped):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            self._close(connection)

    def _close(self, connection: socket.socket) -> None:
        with self._open_lock:
            self._open.pop(connection, None)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # close() is not enough if a fork has a copy
        connection.close()

    def _serve_one(self, line: Line) -> bool:
        """Reads and answers one request; False when the connection is to be closed."""
        try:
            call = line.read_call()
        except Refused as refused:
            line.send(json_reply(error_body(refused.status, str(refused)), refused.status))
            return False
        if call is None:
            return False
        step = self._record(call)
        if self.on_call is not None:
            self.on_call(call)
        try:
            self._play(line, step, call)
        except HungUp:
            if not self.stopping.is_set():
                self._over(call, hung_up=True)
            raise
        except Dropped:
            self._over(call, hung_up=False)
            raise
        except Exception as error:  # by a callable of the script, so nothing is sent yet
            self.errors.append(error)
            call.status = 500
            line.send(json_reply(error_body(500, "the script's callable failed"), 500))
        self._over(call, hung_up=False)
        return call.headers.get("connection", "").lower() != "close"

    def _over(self, call: Call, hung_up: bool) -> None:
        self._finished(call, hung_up)
        if self.on_end is not None:
            self.on_end(call)

    def _play(self, line: Line, step: Step, call: Call) -> None:
        match step:
            case Slow():
                line.wait(step.delay)
                self._play(line, step.step, call)
            case Drip():
                line.drip = step
                try:
                    self._play(line, step.step, call)
                finally:
                    line.drip = None
            case Hang():
                line.wait(step.seconds)
                raise Dropped
            case NoHeadersEnd():
                line.write(b"HTTP/1.1 200 OK\r\n")
                while True:
                    line.wait(step.interval)
                    line.write(b"X-More: to come\r\n")
            case AsUsual():
                self._play(line, self.usual(call), call)
            case _:
                if isinstance(step, Answer | Json):
                    line.wait(step.delay)
                reply = self.render(step, call)
                call.status = reply.status
                line.send(reply, with_body=call.method != "HEAD")

    def usual(self, call: Call) -> Step:
        """The step for a request that no script speaks of."""
        return Status(404)

    def render(self, step: Step, call: Call) -> Reply:
        """Steps that mean the same for every server; subclasses see to the others first."""
        match step:
            case Json():
                body = step.body(call) if callable(step.body) else step.body
                return json_reply(body, step.status, step.headers)
            case Malformed():
                return Reply(step.status, step.body.encode(), step.content_type)
            case Status():
                headers = {}
                if step.retry_after is not None:
                    headers["Retry-After"] = _decimal(step.retry_after)
                if step.retry_after_ms is not None:
                    headers["retry-after-ms"] = _decimal(step.retry_after_ms)
                headers.update(step.headers)
                if isinstance(step.body, str):
                    return Reply(step.code, step.body.encode(), "text/plain", headers)
                body = step.body
                if body is None:
                    body = error_body(step.code) if step.code >= 400 else {}
                return json_reply(body, step.code, headers)
        raise TypeError(f"{type(self).__name__} cannot play {step}")
