"""`python -m grader.judge`: serves the host over standard input and output until they close.

The host sends {"warm": [modules]} or {"grade": job}. A grading is done in forked children, so that
nothing of it stays; it answers {"behaviour": …} as each falls, then {"done": …} or {"trouble": …}.
Whatever the host sends meanwhile, {"stop": …} for one, ends the grading at once.
"""

import functools
import importlib.util
import os
import pathlib
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from _pytest.config import default_plugins

from grader import wire
from grader.box import tasks
from grader.job import Job
from grader.judge.findings import BoxLost
from grader.judge.plugin import Grading

#: A grading has ended by itself before this many seconds beyond its wall limit.
_GRACE_SECONDS = 2.0
#: The child's exit code when it has told of trouble itself.
_TOLD = 65
#: What pytest and the upstreams would import only when they need it, in each grading anew.
_LATE = (*(f"_pytest.{name}" for name in default_plugins), "pytest_timeout", "pdb", "httpcore",
         "concurrent.futures.thread", "http.server", "xml.etree.ElementTree")  # fmt: skip
_MEMORY_BYTES = 2 * 1024**3
#: RLIMIT_DATA counts stacks whole; upstreams have a thread per connection.
_THREAD_STACK_BYTES = 512 * 1024


def main() -> None:
    # The most that hostile answers can make of it; engines may have set less.
    threading.stack_size(_THREAD_STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    requests = os.dup(0)
    replies = os.dup(1)
    # Whatever prints in here must not end up between the messages.
    sink = os.open(os.devnull, os.O_RDWR)
    os.dup2(sink, 0)
    os.dup2(sink, 1)
    tasks.warm(_LATE)
    wire.write_to(replies, {"ready": sys.version.split()[0]})
    while True:
        try:
            request = wire.receive_from(lambda size: os.read(requests, size))
        except EOFError:
            return
        if "warm" in request:
            tasks.warm(request["warm"])
        if "grade" in request:
            _supervise(Job(**request["grade"]), requests, replies)


class _Lane:
    """A forked child that tries its share of the behaviours; what it reports comes on a pipe."""

    def __init__(self, job: Job, number: int, hidden: pathlib.Path, foreign: list[int]) -> None:
        self.reports, reports = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                # Where only this child holds the pipe's end, its end is seen at once.
                for descriptor in (self.reports, *foreign):
                    os.close(descriptor)
                os._exit(_grade(job, number, hidden, reports))
            except BaseException as error:
                told = f"the judge broke ({type(error).__name__}: {error})"[:500]
                wire.write_to(reports, {"trouble": told})
                os._exit(_TOLD)
            finally:
                os._exit(70)
        os.close(reports)

    def end(self) -> int:
        """Its exit code."""
        os.close(self.reports)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


def _supervise(job: Job, requests: int, replies: int) -> None:
    """Forks a child for each lane, passes on what they report, and answers for them if need be."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="judge-"))
    _lay(job.hidden, folder)
    lanes: dict[int, _Lane] = {}
    for number in range(job.lanes):
        lane = _Lane(job, number, folder, [requests, replies, *lanes])
        lanes[lane.reports] = lane
    give_up = time.monotonic() + job.limits["wall_seconds"] + _GRACE_SECONDS
    done: dict[str, Any] = {"done": "ran"}
    while lanes:
        # If the host's end becomes readable, the host is gone or wants this grading to end.
        ready, _, _ = select.select([*lanes, requests], [], [], max(give_up - time.monotonic(), 0))
        if not ready or requests in ready:
            done = {"done": "out of time"}
            break
        for reports in ready:
            try:
                wire.write_to(replies, wire.receive_from(functools.partial(os.read, reports)))
            except EOFError:
                if (code := lanes.pop(reports).end()) not in (0, _TOLD):
                    done = {"trouble": f"the judge's process ended with {code}"}
                elif code == _TOLD:
                    done = {}
    for lane in lanes.values():
        os.kill(lane.pid, signal.SIGKILL)
        lane.end()
    shutil.rmtree(folder, ignore_errors=True)
    if done:
        # Only now: the host's next request must not find a child still at work.
        wire.write_to(replies, done)


def _lay(hidden: Mapping[str, bytes], folder: pathlib.Path) -> None:
    for name, content in hidden.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if path.suffix == ".py" and (bytecode := _bytecode(content)):
            cached = pathlib.Path(importlib.util.cache_from_source(str(path)))
            cached.parent.mkdir(exist_ok=True)
            cached.write_bytes(bytecode)
    (folder / "pytest.ini").write_text("[pytest]\n")


@functools.lru_cache(maxsize=100)
def _bytecode(source: bytes) -> bytes | None:
    """A hidden test's, made once for all gradings. None if it does not compile: pytest says why."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "test.py").write_bytes(source)
        return tasks.bytecode(pathlib.Path(folder)).get("test.py")


def _grade(job: Job, lane: int, hidden: pathlib.Path, reports: int) -> int:
    def report(result: dict[str, Any]) -> None:
        wire.write_to(reports, result)

    try:
        grading = Grading(job, lane, report)
    except BoxLost:
        report({"trouble": "the box cannot be reached"})
        return _TOLD
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        os.chdir(hidden)
        code = pytest.main(
            # Assertions stay plain: rewritten ones would quote the hidden test's source.
            ["-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "pytest_timeout",
             f"--rootdir={hidden}", str(hidden)],
            plugins=[grading],
        )  # fmt: skip
        output.seek(0)
        lines = output.read().decode("utf-8", "replace").strip().splitlines()
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        report({"trouble": f"pytest could not run the hidden tests ({int(code)}): {lines[-1:]}"})
        return _TOLD
    return 0


if __name__ == "__main__":
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.dont_write_bytecode = True
    main()
