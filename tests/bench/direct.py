"""Hidden tests straight against learner code, in pytest's own process, as ordinary graders do it.

`call` is a function call and files are files: no sandbox, no codec, nothing between a test and the
code under test.

`python -m pytest -p direct hidden` reads its job from the working directory and leaves one line of
JSON for each behaviour there; the first line is of the process's start, imports included. A command
or service is a new Python, as `subprocess.run` in an ordinary test would start it.

`python direct.py JOBS MODULE…` is the limit, the least that hidden tests can cost: with everything
imported it forks a child for each grading, and in there for each command and service. It reads a
JSON list of folders from each line of standard input, grades them, at most JOBS at once, and
answers with an empty line.
"""

import atexit
import contextlib
import gc
import importlib
import io
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import pytest
from _pytest.config import default_plugins

from grader import wire
from grader.box import tasks
from grader.judge.box import Box, Session
from grader.judge.plugin import Grading

JOB, RESULTS = "job.msgpack", "results.jsonl"
#: As the judge starts pytest.
OPTIONS = ["-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "pytest_timeout",
           "--rootdir=hidden", "hidden"]  # fmt: skip
#: A new Python that serves an application.
_UVICORN = "exec python -m uvicorn {} --host 127.0.0.1 --port $PORT --log-level warning"
#: What pytest, a service and its clients would import only when they need it.
_LATE = (*(f"_pytest.{name}" for name in default_plugins), "pytest_timeout", "pdb", "numpy",
         "httpcore", "concurrent.futures.thread", "xml.etree.ElementTree", "uvicorn.lifespan.on",
         "uvicorn.loops.auto", "uvicorn.protocols.http.auto",
         "uvicorn.protocols.websockets.auto")  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    results = pathlib.Path(RESULTS).open("w", buffering=1)  # noqa: SIM115
    config.add_cleanup(results.close)
    job = types.SimpleNamespace(**wire.decode(pathlib.Path(JOB).read_bytes()))
    for module in job.preload:
        importlib.import_module(module)

    def report(told: dict[str, Any]) -> None:
        results.write(json.dumps({**told, "at": time.monotonic()}) + "\n")

    report({"behaviour": "", "outcome": "passed", "seconds": _age()})
    box = DirectBox(pathlib.Path(tempfile.mkdtemp(prefix="direct-")))
    config.add_cleanup(box.close)
    config.pluginmanager.register(Direct(job, report, box), "grading")


class Direct(Grading):
    """The judge's fixtures and reports, over a box that is no box."""

    def __init__(self, job: Any, report: Callable[[dict[str, Any]], None], box: Box) -> None:
        # In place of its own, which would connect to a box.
        self._job = job
        self._lane, self._behaviours = 0, job.behaviours
        self._report = report
        self._box = box
        self._ends = time.monotonic() + job.limits["wall_seconds"]


class DirectBox(Box):
    """Does in this process what the judge's end of a connection would ask a box for."""

    def __init__(self, home: pathlib.Path) -> None:
        self.deadline = float("inf")
        self.home, self.root, self.scratch = home, home / "submission", home / "scratch"
        self._origin = os.getcwd()
        self._processes: list[Process] = []
        self._last = next(reversed(sys.modules))
        sys.path.insert(0, str(self.root))

    def ask(self, do: str, **arguments: Any) -> Any:
        return getattr(self, f"_{do}")(**arguments)

    def session(self, kind: str, **request: Any) -> Session:
        if kind == "call":
            return Calls(self)
        self._processes.append(Process(self, kind, request))
        return self._processes[-1]

    def forget(self) -> None:
        """Unloads what was imported from the submission."""
        # Not all modules: in a fork, to look at one is to copy its page.
        for name in list(itertools.takewhile(lambda name: name != self._last,
                                             reversed(sys.modules))):  # fmt: skip
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(self.home)):
                del sys.modules[name]
        importlib.invalidate_caches()

    def close(self) -> None:
        os.chdir(self._origin)
        while self._processes:
            self._processes.pop().kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def _reset(self, files: dict[str, bytes]) -> str:
        self.close()
        self.forget()
        for folder in (self.root, self.scratch, self.home / "tmp"):
            folder.mkdir(parents=True)
        _lay(self.root, files)
        os.chdir(self.scratch)
        return str(self.root)

    def _write(self, files: dict[str, bytes]) -> None:
        _lay(self.scratch, files)

    def _read(self, name: str) -> bytes | None:
        path = self.scratch / name
        return path.read_bytes() if path.is_file() else None

    def _list(self, folder: str) -> list[str]:
        paths = (self.scratch / folder).rglob("*")
        return sorted(str(path.relative_to(self.scratch)) for path in paths if path.is_file())


class Calls(Session):
    """Calls of one behaviour, in this process; only pytest-timeout ends one that hangs."""

    def __init__(self, box: DirectBox) -> None:
        self.box = box
        self._root = box.root
        self._kept: list[Any] = []
        self._stdout, self._stderr = io.StringIO(), io.StringIO()

    def send(self, message: Any) -> None:
        self._answer = {"id": message["id"]}
        try:
            with (contextlib.redirect_stdout(self._stdout),
                  contextlib.redirect_stderr(self._stderr)):  # fmt: skip
                value = tasks._perform(message, self._kept)
            if message["keep"]:
                self._kept.append(value)
                value = len(self._kept) - 1
            self._answer["value"] = value
        except (pytest.fail.Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._answer["raised"] = tasks.describe(error, self._root)

    def receive(self, deadline: float) -> Any:
        return self._answer

    def log(self) -> dict[str, bytes]:
        return {"stdout": self._stdout.getvalue().encode(),
                "stderr": self._stderr.getvalue().encode()}  # fmt: skip


class Process(Session):
    """A command or service, with its output in files."""

    #: Whether it goes on in the interpreter that it was forked from, with all its imports.
    warm = False

    def __init__(self, box: DirectBox, kind: str, request: dict[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(box, 0, ours)
        self._output = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]  # noqa: SIM115
        self._end: dict[str, Any] | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            code = 70
            try:
                code = _ended(lambda: self._work(box, kind, request, theirs))
            finally:
                os._exit(code)
        theirs.close()
        self._gone = os.pidfd_open(self._pid)

    def wait(self, deadline: float) -> bool:
        seconds = None if deadline == float("inf") else max(deadline - time.monotonic(), 0)
        return bool(select.select([self._gone], [], [], seconds)[0])

    def end(self) -> dict[str, Any] | None:
        if self._end is None and self.wait(0):
            _, status, usage = os.wait4(self._pid, 0)
            os.close(self._gone)
            self._connection.close()
            self._end = {"code": os.waitstatus_to_exitcode(status), "reason": None,
                         "cpu": usage.ru_utime + usage.ru_stime, **self.log()}  # fmt: skip
        return self._end

    def log(self) -> dict[str, bytes]:
        stdout, stderr = (os.pread(file.fileno(), 1 << 24, 0) for file in self._output)
        return {"stdout": stdout, "stderr": stderr}

    def kill(self) -> dict[str, Any]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        if self._end is None:
            os.kill(self._pid, signal.SIGKILL)  # it may not lead its group yet
            self.wait(float("inf"))
        end = self.end()
        assert end is not None
        return end

    def _work(
        self, box: DirectBox, kind: str, request: dict[str, Any], connection: socket.socket
    ) -> None:
        """In the child: begins as a box's child does, but for the walls."""
        os.setsid()
        with tempfile.TemporaryFile() as stdin:
            stdin.write(request.get("stdin", b""))
            stdin.seek(0)
            os.dup2(stdin.fileno(), 0)
        for number, file in enumerate(self._output, 1):
            os.dup2(file.fileno(), number)
        os.dup2(connection.fileno(), 3)
        os.closerange(4, 65536)
        # pytest has put its own in their place.
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        os.environ.clear()
        os.environ.update({
            "PATH": os.pathsep.join((os.path.dirname(sys.executable), os.defpath)),
            "HOME": str(box.home / "tmp"), "TMPDIR": str(box.home / "tmp"), "LANG": "C.UTF-8",
            "PYTHONPATH": str(box.root), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
            **tasks.THREAD_LIMITS, **request["env"],
        })  # fmt: skip
        tempfile.tempdir = None
        box.forget()
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()  # a new interpreter would, and some answers rely on it
        if kind == "serve":
            own, target = socket.socket(fileno=3), request["target"]
            if isinstance(target, str) and request["workers"] == 1 and not self.warm:
                target = ["sh", "-c", _UVICORN.format(target)]
            tasks.serve(own, box.root, target, request["workers"])
        else:
            tasks.run(box.root, request["argv"], fresh=request["fresh"] or not self.warm)


def _ended(work: Callable[[], None]) -> int:
    """Does a forked child's work; its exit code, after all that Python does at its end."""
    atexit._clear()
    code: Any = 0
    try:
        work()
    except SystemExit as end:
        code = end.code
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return (code or 0) & 0xFF


def _lay(folder: pathlib.Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _age() -> float:
    """Seconds since this process began."""
    ticks = int(pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    jobs, plugin = int(sys.argv[1]), sys.modules[__name__]
    Process.warm = True
    for module in (*_LATE, *sys.argv[2:]):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    print(flush=True)
    for line in sys.stdin:
        waiting, running = json.loads(line), 0
        while waiting or running:
            if running == jobs or not waiting:
                os.wait()
                running -= 1
                continue
            folder = waiting.pop(0)
            running += 1
            if os.fork() == 0:
                os.chdir(folder)
                output = os.open("output.txt", os.O_WRONLY | os.O_CREAT)
                os.dup2(output, 1)
                os.dup2(output, 2)
                os._exit(pytest.main(OPTIONS, plugins=[plugin]))
        print(flush=True)


if __name__ == "__main__":
    main()
