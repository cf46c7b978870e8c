"""The hidden tests' view of a submission: call it, run it, serve it, read it."""

import csv
import io
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from grader.errors import WireError
from grader.judge.box import Box, Session, died, last_lines
from grader.judge.findings import Raised, Unmet, clean
from grader.judge.service import Service
from grader.verdict import Cause, Finding

#: What `files` and `write` take: text, bytes, or a data frame (written as CSV without its index).
Content = Any


class Finished:
    """A command that has ended. `seconds` is wall time as the judge saw it."""

    def __init__(self, end: Mapping[str, Any], seconds: float) -> None:
        self.exit_code: int = end["code"]
        self.stdout: str = end["stdout"].decode("utf-8", "backslashreplace")
        self.stderr: str = end["stderr"].decode("utf-8", "backslashreplace")
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"exit code {self.exit_code}"

    @property
    def last_lines(self) -> str:
        """The end of its standard error, for a message."""
        return last_lines(self.stderr.encode())


class Process:
    """A command that may still run."""

    def __init__(self, session: Session, what: str) -> None:
        self._session = session
        self._what = what
        self._started = time.monotonic()

    @property
    def running(self) -> bool:
        return self._session.end() is None

    def wait(self, timeout: float | None = None) -> Finished:
        """Waits for its end. Fails the behaviour at the time-out, or when a limit ended it."""
        allowed = _deadline(self._session.box, timeout)
        if not self._session.wait(allowed):
            raise stopped(self._session, self._what, self._started)
        end = self._session.end()
        if end is None:  # the connection closed and the process lives: nothing of ours does that
            end = self._session.kill()
        if end["reason"] is not None or end["code"] < 0:
            raise died(self._what, end, "that it ends by itself")
        return Finished(end, time.monotonic() - self._started)

    def kill(self) -> Finished:
        """SIGKILL, to it and to all that it started in its process group."""
        return Finished(self._session.kill(), time.monotonic() - self._started)


class Handle:
    """Something that stays in the box, such as a fitted model."""

    def __init__(self, submission: "Submission", number: int, what: str) -> None:
        self._submission = submission
        self._number = number
        self._what = what

    def call(self, method: str, *args: object, **kwargs: object) -> Any:
        """Calls a method of it; the result comes back as plain data."""
        return self._submission._request(
            f"{self._what}.{method}", method, args, kwargs, handle=self._number
        )

    def get(self, attribute: str) -> Any:
        """An attribute of it, as plain data."""
        return self._submission._request(
            f"{self._what}.{attribute}", attribute, (), {}, handle=self._number, get=True
        )


class Submission:
    """One behaviour's clean box with the learner's files in it."""

    def __init__(self, box: Box, files: Mapping[str, bytes], submitted: Sequence[str]) -> None:
        self._box = box
        self._files = files
        self._submitted = sorted(submitted)
        self._worker: Session | None = None
        self._ids = itertools.count(1)
        self.services: list[Service] = []
        #: Path of the submission's folder inside the box.
        self.root: str = box.ask("reset", files=dict(files))

    # --- calling ----------------------------------------------------------------------------

    def call(
        self, target: str, *args: object, timeout: float | None = None, **kwargs: object
    ) -> Any:
        """Calls "module:function" and returns its result as plain data."""
        return self._request(target, target, args, kwargs, timeout=timeout)

    def handle(
        self, target: str, *args: object, timeout: float | None = None, **kwargs: object
    ) -> Handle:
        """Calls "module:function" and leaves its result in the box."""
        number = self._request(target, target, args, kwargs, timeout=timeout, keep=True)
        if type(number) is not int:
            self._broken(target)
        return Handle(self, number, target)

    def _request(
        self,
        what: str,
        target: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        *,
        timeout: float | None = None,
        keep: bool = False,
        handle: int | None = None,
        get: bool = False,
    ) -> Any:
        if self._worker is None:
            self._worker = self._box.session("call")
        worker, number, started = self._worker, next(self._ids), time.monotonic()
        deadline = _deadline(self._box, timeout)
        request = {"id": number, "target": target, "args": list(args), "kwargs": dict(kwargs),
                   "keep": keep, "handle": handle, "get": get}  # fmt: skip
        try:
            worker.send(request)
            answer = worker.receive(deadline)
        except TimeoutError:
            self._worker = None
            raise stopped(worker, what, started) from None
        except EOFError:
            self._worker = None
            raise worker.died(what) from None
        except WireError:
            self._broken(what)
        if not isinstance(answer, dict) or answer.get("id") != number or len(answer) != 2:
            self._broken(what)
        if "unfit" in answer:
            observed = f"{what} returned something that is not plain data: {answer['unfit']}"
            raise Unmet(Finding(clean(observed), "plain data, arrays or data frames"))
        if "raised" in answer:
            raise self._raised(what, answer["raised"])
        if "value" not in answer:
            self._broken(what)
        return answer["value"]

    def _raised(self, what: str, told: object) -> Raised:
        if not (
            isinstance(told, dict)
            and set(told) == {"type", "message", "where"}
            and all(type(text) is str for text in told.values())
        ):
            self._broken(what)
        return Raised(what, told["type"], told["message"], told["where"])

    def _broken(self, what: str) -> NoReturn:
        """Something in the box wrote to the judge's connection what is no answer."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None
        observed = f"{what}: what came back over the connection is not an answer"
        raise Unmet(Finding(observed, "that only the answer is sent"), Cause.CRASHED) from None

    def log(self) -> str:
        """What the called code has written to standard output and error so far."""
        if self._worker is None:
            return ""
        log = self._worker.log()
        return (log["stdout"] + log["stderr"]).decode("utf-8", "backslashreplace")

    # --- running ----------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        files: Mapping[str, Content] | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | bytes = "",
        timeout: float | None = None,
        fresh: bool = False,
    ) -> Finished:
        """Runs a command in the scratch folder until it ends."""
        return self.start(argv, files=files, env=env, stdin=stdin, fresh=fresh).wait(timeout)

    def start(
        self,
        argv: Sequence[str],
        *,
        files: Mapping[str, Content] | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | bytes = "",
        fresh: bool = False,
    ) -> Process:
        """Starts a command in the scratch folder and does not wait for it."""
        if files:
            self.write(files)
        session = self._box.session(
            "run", argv=list(argv), env=dict(env or {}), stdin=_as_bytes(stdin), fresh=fresh
        )
        return Process(session, "`" + " ".join(argv) + "`")

    def serve(
        self,
        target: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        workers: int = 1,
        timeout: float = 15.0,
    ) -> Service:
        """Starts "module:app" under uvicorn, or a command that listens on $PORT."""
        listed = target if isinstance(target, str) else list(target)
        session = self._box.session("serve", target=listed, env=dict(env or {}), workers=workers)
        what = listed if isinstance(listed, str) else "`" + " ".join(listed) + "`"
        started = time.monotonic()
        deadline = _deadline(self._box, timeout)
        try:
            port = session.receive(deadline)["port"]
        except TimeoutError:
            raise stopped(session, what, started) from None
        except (EOFError, WireError, TypeError, KeyError):
            raise session.died(what) from None
        service = Service(session, port, what)
        if not service.wait_until_listening(deadline):
            raise stopped(session, f"{what}: starting to listen", started)
        self.services.append(service)
        return service

    def close(self) -> None:
        """Lets go of what the judge holds; the next reset ends what runs in the box."""
        for service in self.services:
            service.disconnect()

    # --- files ------------------------------------------------------------------------------

    def write(self, files: Mapping[str, Content]) -> None:
        """Writes files into the scratch folder."""
        self._box.ask("write", files={name: _as_bytes(what) for name, what in files.items()})

    def file(self, name: str) -> bytes:
        """A file of the scratch folder. Fails the behaviour when it is not there."""
        content: bytes | None = self._box.ask("read", name=name)
        if content is None:
            there = ", ".join(self.listing()[:20]) or "nothing"
            raise Unmet(
                Finding(clean(f"there is no file {name}; there is {there}"), f"the file {name}")
            )
        return content

    def text(self, name: str) -> str:
        """A file of the scratch folder as UTF-8 text."""
        try:
            return self.file(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unmet(Finding(f"{name} is not UTF-8: {error.reason}", "UTF-8 text")) from None

    def json(self, name: str) -> Any:
        """A JSON file of the scratch folder."""
        text = self.text(name)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Unmet(Finding(clean(f"{name} is not JSON: {error}"), "a JSON document")) from None

    def csv(self, name: str, columns: Sequence[str]) -> list[dict[str, str]]:
        """A CSV file's rows, once its header names `columns` (in any order, among others)."""
        text = self.text(name)
        try:
            reader = csv.DictReader(io.StringIO(text), strict=True)
            rows = list(reader)
        except csv.Error as error:
            raise Unmet(Finding(clean(f"{name} is not CSV: {error}"), "a CSV file")) from None
        header = reader.fieldnames or []
        if missing := [column for column in columns if column not in header]:
            observed = f"{name} has the columns {', '.join(header) or '(none)'}"
            raise Unmet(Finding(clean(observed), clean(f"columns {', '.join(missing)} as well")))
        for number, row in enumerate(rows, 1):
            if None in row or None in row.values():
                raise Unmet(
                    Finding(
                        f"row {number} of {name} has more or fewer cells than the header",
                        f"{len(header)} cells in each row",
                    )
                )
        return rows

    def listing(self, folder: str = ".") -> list[str]:
        """Every file below a folder of the scratch folder, as sorted relative paths."""
        found: list[str] = self._box.ask("list", folder=folder)
        return found

    def read(self, path: str) -> str:
        """The text of a submitted file, from the judge's own copy."""
        if path not in self._files:
            raise Unmet(Finding(clean(f"the submission has no file {path}"), f"the file {path}"))
        return self._files[path].decode("utf-8", "replace")

    def sources(self) -> list[str]:
        """Paths of the files that the learner handed in."""
        return list(self._submitted)


def stopped(session: Session, what: str, started: float) -> Unmet:
    """Kills a process that did not answer in time; the failure names the cause behind it."""
    seconds = time.monotonic() - started
    end = session.kill()
    if end["reason"] is not None:
        return died(what, end)
    observed = f"{what}: nothing after {seconds:.1f} s, so it was stopped"
    return Unmet(Finding(clean(observed), "an answer in time"), Cause.TIMED_OUT)


def _deadline(box: Box, timeout: float | None) -> float:
    own = float("inf") if timeout is None else time.monotonic() + timeout
    return min(own, box.deadline)


def _as_bytes(content: Content) -> bytes:
    if hasattr(content, "to_csv"):
        content = content.to_csv(index=False)
    return content.encode() if isinstance(content, str) else bytes(content)
