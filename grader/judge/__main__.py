"""`python -m grader.judge`: serves the host over standard input and output until they close.

The host sends {"warm": [modules]} or {"grade": job}. A grading is done in a forked child, so that
nothing of it stays; it answers {"behaviour": …} as each falls, then {"done": …} or {"trouble": …}.
"""

import importlib
import os
import pathlib
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
from typing import Any

import pytest

from grader import wire
from grader.judge.findings import BoxLost
from grader.judge.job import Job
from grader.judge.plugin import Grading

#: A grading has ended by itself before this many seconds beyond its wall limit.
_GRACE_SECONDS = 2.0
#: The child's exit code when it has told of trouble itself.
_TOLD = 65
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
    wire.write_to(replies, {"ready": sys.version.split()[0]})
    while True:
        try:
            request = wire.receive_from(lambda size: os.read(requests, size))
        except EOFError:
            return
        for module in request.get("warm", []):
            importlib.import_module(module)
        if "grade" in request:
            _supervise(Job(**request["grade"]), requests, replies)


def _supervise(job: Job, requests: int, replies: int) -> None:
    """Forks a child for the grading and answers for it if it cannot."""
    alive, held_open = os.pipe()
    folder = tempfile.mkdtemp(prefix="judge-")
    child = os.fork()
    if child == 0:
        try:
            os._exit(_grade(job, pathlib.Path(folder), replies))
        finally:
            os._exit(70)
    os.close(held_open)
    # The host says nothing during a grading: if its end becomes readable, the host is gone.
    patience = job.limits["wall_seconds"] + _GRACE_SECONDS
    in_time, _, _ = select.select([alive, requests], [], [], patience)
    os.close(alive)
    if alive not in in_time:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    shutil.rmtree(folder, ignore_errors=True)
    if not in_time:
        wire.write_to(replies, {"done": "out of time"})
    elif code == 0:
        # Only now: the host's next request must not find this child still at work.
        wire.write_to(replies, {"done": "ran"})
    elif code != _TOLD:
        wire.write_to(replies, {"trouble": f"the judge's process ended with {code}"})


def _grade(job: Job, hidden: pathlib.Path, replies: int) -> int:
    def report(result: dict[str, Any]) -> None:
        wire.write_to(replies, result)

    try:
        grading = Grading(job, report)
    except BoxLost:
        report({"trouble": "the box cannot be reached"})
        return _TOLD
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 1)
        for name, content in job.hidden.items():
            path = hidden / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (hidden / "pytest.ini").write_text("[pytest]\n")
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
