"""Judge and box as processes of this machine: what bubblewrap and process have in common."""

import contextlib
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from grader import wire
from grader.box.tasks import THREAD_LIMITS
from grader.catalog import Limits
from grader.engines.base import Fate
from grader.errors import EngineTrouble
from grader.verdict import Usage

_START_SECONDS = 60.0
_END_SECONDS = 5.0
#: The folder to put on PYTHONPATH so that `grader` can be imported.
PACKAGE_PARENT = pathlib.Path(__file__).resolve().parents[2]


class LocalSlot:
    """A judge process on two pipes. `start_box` starts a box process for given limits."""

    def __init__(
        self,
        judge: subprocess.Popen[bytes],
        start_box: Callable[[Limits], tuple[subprocess.Popen[bytes], int]],
    ) -> None:
        self._judge = judge
        self._start_box = start_box
        try:
            self.hear(_START_SECONDS)
        except (TimeoutError, EngineTrouble) as error:
            raise EngineTrouble(f"the judge did not start: {said(judge)}") from error

    def tell(self, message: object) -> None:
        assert self._judge.stdin is not None
        try:
            wire.write_to(self._judge.stdin.fileno(), message)
        except OSError as error:
            raise EngineTrouble("the judge is gone; grade again") from error

    def hear(self, seconds: float) -> Any:
        assert self._judge.stdout is not None
        descriptor = self._judge.stdout.fileno()
        # A message is written at once, so only its beginning has to be waited for.
        if not select.select([descriptor], [], [], seconds)[0]:
            raise TimeoutError
        try:
            return wire.receive_from(lambda size: os.read(descriptor, size))
        except EOFError as error:
            raise EngineTrouble("the judge is gone; grade again") from error

    @contextlib.contextmanager
    def box(self, limits: Limits) -> Iterator["LocalBox"]:
        process, port = self._start_box(limits)
        try:
            yield LocalBox(process, port)
        finally:
            end(process)


class LocalBox:
    """A box process and its offspring, watched through /proc."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = process

    def usage(self) -> Usage:
        return usage_of_tree(self._process.pid)

    def kill(self) -> None:
        kill_group(self._process)

    def fate(self) -> Fate | None:
        code = self._process.poll()
        if code is None:
            return None
        return "killed" if code in (-signal.SIGKILL, 128 + signal.SIGKILL) else "ended"


def judge_command(python: str = sys.executable) -> list[str]:
    return [python, "-m", "grader.judge"]


def box_command(port: int, home: str, python: str = sys.executable) -> list[str]:
    return [python, "-m", "grader.box", "--port", str(port), "--home", home]


def environment(package_parent: str, python: str = sys.executable) -> dict[str, str]:
    """All that judge and box get to know of this machine's environment."""
    return {
        "PATH": os.pathsep.join((os.path.dirname(python), os.defpath)),
        "LANG": "C.UTF-8",
        "PYTHONPATH": package_parent,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        **THREAD_LIMITS,
    }


def spawn(argv: Sequence[str], env: Mapping[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own, so that a Ctrl-C reaches the grader alone."""
    try:
        return subprocess.Popen(
            argv,
            env=dict(env),
            stderr=subprocess.PIPE,
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "cwd": "/", **options},
        )
    except OSError as error:
        raise EngineTrouble(f"{argv[0]} cannot be started: {error.strerror}") from error


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills a process with its group, and waits until it is gone."""
    family = kill_group(process)
    process.wait()
    # The one inside a sandbox is somebody else's child: it holds its port until it is gone.
    give_up = time.monotonic() + _END_SECONDS
    while any(_is_alive(pid) for pid in family) and time.monotonic() < give_up:
        time.sleep(0.002)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def kill_group(process: subprocess.Popen[bytes]) -> list[int]:
    """SIGKILL to a process, its group and its offspring, which it returns.

    A sandbox has a session of its own, so the group alone would not do.
    """
    family = list(_tree(process.pid))
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return family


def _is_alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def usage_of_tree(pid: int) -> Usage:
    """CPU seconds, proportional memory and count of a process and its offspring, by /proc."""
    if not os.path.isdir("/proc/self"):
        return Usage()
    ticks = os.sysconf("SC_CLK_TCK")
    cpu = memory = 0.0
    count = 0
    for each in _tree(pid):
        with contextlib.suppress(OSError, ValueError):
            fields = _read(f"/proc/{each}/stat").rpartition(")")[2].split()
            cpu += sum(int(field) for field in fields[11:15]) / ticks
            memory += _memory_mb(f"/proc/{each}")
            count += 1
    return Usage(round(cpu, 2), round(memory, 1), count)


def _tree(pid: int) -> Iterator[int]:
    """A process and its offspring, as far as /proc tells."""
    waiting = [pid]
    while waiting:
        yield (pid := waiting.pop())
        with contextlib.suppress(OSError, ValueError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                children = _read(f"/proc/{pid}/task/{thread}/children").split()
                waiting.extend(int(child) for child in children)


def _memory_mb(folder: str) -> float:
    try:
        for line in _read(f"{folder}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # not ours to look into: take the resident set, which counts shared pages fully
    return int(_read(f"{folder}/statm").split()[1]) * os.sysconf("SC_PAGESIZE") / 1024**2


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def said(process: subprocess.Popen[bytes]) -> str:
    """What a process that failed to start left on standard error."""
    end_at = time.monotonic() + 1
    while process.poll() is None and time.monotonic() < end_at:
        time.sleep(0.01)
    process.kill()
    assert process.stderr is not None
    text = process.stderr.read().decode("utf-8", "replace").strip()
    return text.splitlines()[-1] if text else f"it ended with {process.wait()}"
