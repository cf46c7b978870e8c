"""One connection of a scripted server: reads requests, writes replies, and waits in between.

On plain sockets, because the faults are about sockets: a body without its terminator, bytes that
drip, a client that hangs up while nobody writes to it.
"""

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from grader.upstreams.script import Call, Drip

MAX_HEAD = 64 * 1024
MAX_BODY = 8 * 1024 * 1024
MAX_HEADERS = MAX_FIELDS = 100


class HungUp(Exception):
    """The client has gone, or the server is stopping."""


class Dropped(Exception):
    """The script asks for the connection to be closed here."""


class Refused(Exception):
    """The request cannot be read; the text says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """A response, whole or broken."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    events: Sequence[bytes] | None = None  # a chunked body, in place of `body`
    pause: float = 0.0  # between events
    broken: bool = False  # the connection is dropped before the body is complete


class Line:
    """One connection: reads requests, writes replies, waits without losing sight of the client."""

    def __init__(
        self, connection: socket.socket, incoming: BinaryIO, stopping: threading.Event
    ) -> None:
        self._connection = connection
        self._input = incoming
        self._stopping = stopping
        self.drip: Drip | None = None

    def wait(self, seconds: float | None) -> None:
        """Waits (for ever: None); raises HungUp as soon as the client goes or the server stops."""
        if seconds is not None and seconds <= 0:
            return
        start = time.monotonic()
        try:
            self._connection.settimeout(seconds)
            if not self._connection.recv(1, socket.MSG_PEEK):
                raise HungUp
        except TimeoutError:
            return
        except OSError:
            raise HungUp from None
        finally:
            self._connection.settimeout(None)
        # The client has already sent its next request, so its going can no longer be seen.
        left = None if seconds is None else seconds - (time.monotonic() - start)
        if self._stopping.wait(left):
            raise HungUp

    def write(self, data: bytes) -> None:
        size = len(data) if self.drip is None else max(1, self.drip.size)
        for start in range(0, len(data), size):
            if self.drip is not None and start:
                self.wait(self.drip.interval)
            try:
                self._connection.sendall(data[start : start + size])
            except OSError:
                raise HungUp from None

    def send(self, reply: Reply, with_body: bool = True) -> None:
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = "Scripted"
        bodiless = reply.status in (204, 304) or reply.status < 200
        headers = {"Content-Type": reply.content_type, **reply.headers}
        if bodiless:
            del headers["Content-Type"]
        elif reply.events is not None:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(len(reply.body))
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        if bodiless or not with_body:
            self.write(head)
        elif reply.events is None:
            self.write(head + (reply.body[: len(reply.body) // 2] if reply.broken else reply.body))
        else:
            self.write(head)
            for index, event in enumerate(reply.events):
                self.wait(reply.pause if index else 0)
                self.write(b"%x\r\n%s\r\n" % (len(event), event))
            if not reply.broken:
                self.write(b"0\r\n\r\n")
        if reply.broken:
            raise Dropped

    def read_call(self) -> Call | None:
        """The next request, or None when the client has closed the connection in good order."""
        first, *lines = self._read_head()
        if not first:
            return None
        words = first.split()
        try:
            target = urlsplit(words[1])
            query = dict(parse_qsl(target.query, keep_blank_values=True, max_num_fields=MAX_FIELDS))
        except (IndexError, ValueError):
            raise Refused(400, "this is not an HTTP request") from None
        headers: dict[str, str] = {}
        for line in lines:
            key, _, value = line.partition(":")
            name, value = key.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if words[-1] == "HTTP/1.0":
            headers.setdefault("connection", "close")
        if headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Call(
            method=words[0].upper(),
            path=unquote(target.path),
            query=query,
            headers=headers,
            body=self._read_body(headers),
        )

    def _read_head(self) -> list[str]:
        """The lines up to the empty one; a head that stops before it is no request."""
        lines: list[str] = []
        size = 0
        while line := self._input.readline(MAX_HEAD):
            size += len(line)
            if size > MAX_HEAD or not line.endswith(b"\n"):
                break
            if len(lines) > MAX_HEADERS:
                raise Refused(431, f"there are more than {MAX_HEADERS} headers")
            if not line.strip():
                return lines or [""]
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        if size > MAX_HEAD:
            raise Refused(431, f"the headers are larger than {MAX_HEAD} bytes")
        if size:
            raise HungUp
        return [""]

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            body = b""
            while size := self._size(self._input.readline(1_024).split(b";")[0], 16):
                body += self._read_exactly(size, len(body))
                self._input.readline(1_024)
            while self._input.readline(MAX_HEAD).strip():
                pass  # trailers
            return body
        return self._read_exactly(self._size(headers.get("content-length", "0").encode(), 10), 0)

    @staticmethod
    def _size(text: bytes, base: int) -> int:
        try:
            size = int(text, base)
        except ValueError:
            size = -1
        if size < 0:
            raise Refused(400, "the length of the body cannot be read")
        return size

    def _read_exactly(self, size: int, already: int) -> bytes:
        if size + already > MAX_BODY:
            raise Refused(413, f"the body is larger than {MAX_BODY} bytes")
        data = self._input.read(size)
        if len(data) < size:
            raise HungUp
        return data
