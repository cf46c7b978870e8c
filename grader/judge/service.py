"""A learner's service, as its clients see it: HTTP on the loopback that judge and box share."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import socket
import time
from collections.abc import Sequence
from typing import Any

import httpx

from grader.judge.box import Session
from grader.judge.findings import Unmet, clean
from grader.verdict import Cause, Finding

_MAX_BODY = 8 * 1024 * 1024
_MAX_CONNECTIONS = 400


class Reply:
    """One HTTP response. `ms` is the time from sending to the last byte, in milliseconds."""

    def __init__(self, status: int, headers: httpx.Headers, body: bytes, ms: float) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.text = body.decode("utf-8", "replace")
        self.ms = ms

    def __repr__(self) -> str:
        return f"{self.status} {clean(self.text, 200)}"

    def json(self) -> Any:
        """The body's JSON. Fails the behaviour when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Unmet(Finding(f"the reply is no JSON: {self!r}", "a JSON body")) from None

    def fields(self, **types: Any) -> dict[str, Any]:
        """The JSON object, once each field is there with its type (or one of a tuple of types).

        A float field may come as an integer; a bool is never a number.
        """
        body = self.json()
        if not isinstance(body, dict):
            raise Unmet(Finding(f"the reply is no JSON object: {self!r}", "a JSON object"))
        for name, wanted in types.items():
            kinds = wanted if isinstance(wanted, tuple) else (wanted,)
            if name not in body:
                raise Unmet(Finding(f"the reply {self!r}", f"a field `{name}` in it"))
            if type(body[name]) not in kinds and not (float in kinds and type(body[name]) is int):
                names = " or ".join("null" if k is type(None) else k.__name__ for k in kinds)
                raise Unmet(
                    Finding(clean(f"`{name}` is {body[name]!r}"), f"`{name}` of type {names}")
                )
        return body


@dataclasses.dataclass
class Request:
    """One request as it went. Times are those of time.monotonic()."""

    what: str
    at: float
    ended_at: float | None = None
    end: str = ""


class Service:
    """A running service. Methods fail the behaviour when it does not answer, naming the cause."""

    def __init__(self, session: Session, port: int, what: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._session = session
        self._what = what
        self.requests: list[Request] = []
        self._client = httpx.Client(
            base_url=self.url,
            # A connection each: a kept one that the server has just closed would look like a fault.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
            headers={"Accept-Encoding": "identity"},
        )

    def wait_until_listening(self, deadline: float) -> bool:
        """False at the deadline; fails the behaviour when the service ends before it listens."""
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return True
            if self._session.end() is not None:
                raise self._session.died(f"{self._what} did not start")
            time.sleep(0.01)
        return False

    @property
    def running(self) -> bool:
        return self._session.end() is None

    def get(self, path: str, **options: Any) -> Reply:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Reply:
        return self.request("POST", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        timeout: float | None = None,
        given: str = "",
    ) -> Reply:
        """Sends one request; `timeout` in seconds, never beyond the behaviour's own.

        `given` tells the learner in which situation, should there be no answer.
        """
        record = Request(f"{method} {path}", time.monotonic())
        self.requests.append(record)
        record.end = "no whole answer"
        try:
            reply = self._request(
                method, path, json=json, content=content, headers=headers, timeout=timeout,
                given=given,
            )  # fmt: skip
            record.end = f"status {reply.status}"
            return reply
        finally:
            record.ended_at = time.monotonic()

    def _request(
        self,
        method: str,
        path: str,
        *,
        json: Any,
        content: bytes | str | None,
        headers: dict[str, str] | None,
        timeout: float | None,
        given: str,
    ) -> Reply:
        started = time.monotonic()
        deadline = min(
            self._session.box.deadline, float("inf") if timeout is None else started + timeout
        )
        what = f"{method} {path}"
        try:
            with self._client.stream(
                method,
                path,
                json=json,
                content=content,
                headers=headers,
                timeout=max(deadline - started, 0.001) if deadline != float("inf") else None,
            ) as response:
                body = b""
                if response.headers.get("content-encoding", "identity") != "identity":
                    observed = f"{what}: an encoded reply, which was not asked for"
                    raise Unmet(Finding(observed, "a plain body", given))
                for part in response.iter_raw():
                    body += part
                    if len(body) > _MAX_BODY:
                        observed = f"{what}: more than {_MAX_BODY:,} bytes"
                        raise Unmet(Finding(observed, "a reply of sensible size", given))
                    if time.monotonic() > deadline:
                        raise httpx.ReadTimeout("")
        except httpx.TimeoutException:
            waited = time.monotonic() - started
            observed = f"{what}: no whole answer after {waited:.1f} s"
            raise Unmet(Finding(observed, "an answer in time", given), Cause.TIMED_OUT) from None
        except httpx.HTTPError as error:
            time.sleep(0.05)  # a process that is ending may need a moment to have ended
            if self._session.end() is not None:
                raise self._session.died(f"{what}: the service ended") from None
            observed = f"{what}: the connection broke ({type(error).__name__})"
            raise Unmet(Finding(observed, "an HTTP answer", given)) from None
        return Reply(
            response.status_code, response.headers, body, (time.monotonic() - started) * 1000
        )

    def together(self, requests: Sequence[tuple[Any, ...]], **options: Any) -> list[Reply]:
        """Sends (method, path) or (method, path, json) all at once; replies in the same order."""
        pool = concurrent.futures.ThreadPoolExecutor(min(len(requests) or 1, _MAX_CONNECTIONS))
        try:
            waiting = [
                pool.submit(functools.partial(
                    self.request, method, path, json=rest[0] if rest else None, **options))
                for method, path, *rest in requests
            ]  # fmt: skip
            return [future.result() for future in waiting]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def abandon(self, method: str, path: str, *, json: Any = None, after: float = 0.05) -> None:
        """Sends a request and hangs up `after` seconds later, without reading an answer."""
        request = self._client.build_request(method, path, json=json)
        head = f"{method} {request.url.raw_path.decode()} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in request.headers.items()
        )
        try:
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        except OSError:
            observed = f"{method} {path}: no connection is accepted"
            raise Unmet(Finding(observed, "a service that listens")) from None
        now = time.monotonic()
        self.requests.append(Request(f"{method} {path}", now, now + after, "we hung up"))
        with contextlib.suppress(OSError), connection:
            connection.sendall(head.encode() + b"\r\n" + request.read())
            time.sleep(after)

    def log(self) -> str:
        """What the service has written to standard output and error so far."""
        log = self._session.log()
        return (log["stdout"] + log["stderr"]).decode("utf-8", "backslashreplace")

    def stop(self) -> None:
        """Kills it."""
        self.disconnect()
        self._session.kill()

    def disconnect(self) -> None:
        self._client.close()
