"""The judge's end of the connection to a box."""

import contextlib
import itertools
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

from grader import kernel, wire
from grader.errors import WireError
from grader.judge.findings import BoxLost, Unmet, clean
from grader.verdict import Cause, Finding

#: Generous: on a loaded machine an honest box may take seconds, and a lost one tells by closing.
_CONTROL_SECONDS = 30.0
_CONNECT_SECONDS = 30.0
#: A frame of a traceback that lies in the submission's folder: path in it, line.
_OWN_FRAME = re.compile(r'^  File "(?:/[^/"]+)*?/submission/([^"]+)", line (\d+)', re.MULTILINE)


class Box:
    """One box, by its address on the loopback. Raises `BoxLost` when it is gone.

    `deadline` (`time.monotonic` seconds) bounds whatever waits for learner code; the plugin sets
    it for each behaviour.
    """

    def __init__(self, port: int, control: socket.socket | None = None) -> None:
        self.deadline = float("inf")
        self._port = port
        self._token = secrets.token_hex(16)
        self._numbers = itertools.count(1)
        self._one_at_a_time = threading.Lock()
        self._control = control or self._connect()
        if control is not None:
            wire.send(control, self._token)

    def hello(self, limits: Mapping[str, int], preload: list[str]) -> None:
        """Tells the box its limits and lets it import what learner code will need."""
        self._ask(60.0, do="hello", limits=dict(limits), preload=preload)

    def ask(self, do: str, **arguments: Any) -> Any:
        """A request on the control connection; learner code has no part in the answer's coming."""
        return self._ask(_CONTROL_SECONDS, do=do, **arguments)

    def session(self, kind: str, **request: Any) -> "Session":
        """A new process in the box."""
        number = next(self._numbers)
        connection = self._connect({"number": number, "kind": kind, **request})
        # Asked about it before it has begun, the box would say that it never did; so would this.
        with contextlib.suppress(OSError, EOFError, WireError):
            wire.receive(connection, time.monotonic() + _CONTROL_SECONDS)
        return Session(self, number, connection)

    def close(self) -> None:
        self._control.close()

    def _ask(self, seconds: float, **request: Any) -> Any:
        number = next(self._numbers)
        deadline = time.monotonic() + seconds
        try:
            with self._one_at_a_time:
                wire.send(self._control, {"id": number, **request})
                # A test that was interrupted while it waited has left its answer behind.
                while (answer := wire.receive(self._control, deadline))["id"] != number:
                    pass
        except (OSError, EOFError, WireError) as error:
            raise BoxLost from error
        if "error" in answer and request["do"] in ("reset", "write"):
            # What ran before has left no room, or what cannot be taken away.
            observed = clean(f"the box could not {request['do']} its files: {answer['error']}")
            raise Unmet(Finding(observed, "a box that can be used again"), Cause.CRASHED)
        if "error" in answer:
            raise RuntimeError(f"the box could not {request['do']}: {answer['error']}")
        return answer["value"]

    def _connect(self, *messages: object) -> socket.socket:
        give_up = time.monotonic() + _CONNECT_SECONDS
        while True:
            try:
                address = ("127.0.0.1", self._port)
                connection = socket.create_connection(address, timeout=_CONNECT_SECONDS)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # At once, so that the box need not wait for the rest of it.
                connection.sendall(b"".join(map(wire.message, (self._token, *messages))))
                return connection
            except ConnectionRefusedError as error:
                # Only before the first connection may the box still be on its way up.
                if hasattr(self, "_control") or time.monotonic() > give_up:
                    raise BoxLost from error
                time.sleep(0.005)
            except OSError as error:
                raise BoxLost from error


def from_zygote(name: str, lane: int) -> socket.socket:
    """The control connection of a new box, on a network of its own that this process joins."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect("\0" + name)
        kernel.new_network()
        namespaces = kernel.network_of_this_process()
        socket.send_fds(connection, [bytes([lane])], namespaces)
    except OSError as error:
        raise BoxLost from error
    for descriptor in namespaces:
        os.close(descriptor)
    kernel.drop_capabilities()
    return connection


class Session:
    """One process in the box, from its request to its end."""

    def __init__(self, box: Box, number: int, connection: socket.socket) -> None:
        self.box = box
        self._number = number
        self._connection = connection

    def send(self, message: object) -> None:
        try:
            self._connection.settimeout(max(self.box.deadline - time.monotonic(), 0.001))
            wire.send(self._connection, message)
        except TimeoutError:
            raise
        except OSError as error:
            raise EOFError from error

    def receive(self, deadline: float) -> Any:
        """The next message. Raises as `wire.receive`."""
        try:
            return wire.receive(self._connection, deadline, wire.MAX_ANSWER)
        except ConnectionError as error:
            raise EOFError from error

    def wait(self, deadline: float) -> bool:
        """Waits for the process to end; False at the deadline."""
        try:
            while True:
                self.receive(deadline)
        except TimeoutError:
            return False
        except (EOFError, WireError):
            return True

    def end(self) -> dict[str, Any] | None:
        """How it ended: code, reason, cpu, stdout, stderr. None while it runs."""
        answer: dict[str, Any] | None = self.box.ask("end", number=self._number)
        return answer

    def log(self) -> dict[str, bytes]:
        answer: dict[str, bytes] = self.box.ask("log", number=self._number)
        return answer

    def kill(self) -> dict[str, Any]:
        """Ends the process and returns how it ended."""
        self.box.ask("kill", number=self._number)
        give_up = time.monotonic() + _CONTROL_SECONDS
        while (end := self.end()) is None:
            if time.monotonic() > give_up:
                raise BoxLost
            time.sleep(0.002)
        return end

    def died(self, what: str) -> Unmet:
        """The failure of a process that ended while `what` was wanted from it."""
        return died(what, self.kill())


def died(what: str, end: Mapping[str, Any], expected: str = "an answer") -> Unmet:
    """Names the cause of a process's unwanted end."""
    code = end["code"]
    causes = {
        "output": (Cause.TOO_MUCH_OUTPUT, "was stopped: it wrote more output than its limit"),
        "memory": (Cause.OUT_OF_MEMORY, "ran out of memory"),
        "cpu": (Cause.TIMED_OUT, "used up its CPU seconds"),
    }
    cause, how = causes.get(
        end["reason"],
        (Cause.CRASHED, f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"),
    )
    observed = f"{what}: the process {how}"
    if cause is Cause.CRASHED and (text := last_lines(end["stderr"])):
        observed += f"; the end of its standard error:\n{text}"
    return Unmet(Finding(clean(observed), expected), cause)


def last_lines(output: bytes, lines: int = 4) -> str:
    """The end of what a process wrote, for a message.

    Of a traceback: the exception, and where in the submission it came from. The frames of libraries
    tell a learner less, and differ from machine to machine.
    """
    written = output.decode("utf-8", "backslashreplace").rstrip()
    before, header, traceback = written.rpartition("Traceback (most recent call last):\n")
    raised = re.search(r"^\w.*", traceback, re.MULTILINE | re.DOTALL) if header else None
    if raised:
        own = _OWN_FRAME.findall(traceback) or _OWN_FRAME.findall(before)
        where = " ({}, line {})".format(*own[-1]) if own else ""
        return clean(f"a traceback: {raised[0][:1000]}{where}")
    return clean("\n".join(line[-300:] for line in written.splitlines()[-lines:]))
