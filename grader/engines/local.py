"""Judge and box as processes of this machine: what bubblewrap and process have in common."""

import contextlib
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from grader import kernel, wire
from grader.box.tasks import SAME_ORDER, THREAD_LIMITS
from grader.engines.base import BOX_PORT, Fate
from grader.errors import EngineTrouble
from grader.verdict import Usage

_END_SECONDS = 5.0
#: Programs that start another one and wait for it; and how long they have, to see it end.
_LAUNCHERS = ("bwrap", "nsenter")
_BURY_SECONDS = 1.0
#: The folder to put on PYTHONPATH so that `grader` can be imported.
PACKAGE_PARENT = pathlib.Path(__file__).resolve().parents[2]


class Pipes:
    """The channel to a judge or zygote: its standard input and output."""

    def __init__(self, process: subprocess.Popen[bytes], what: str) -> None:
        self._process = process
        self._what = what

    def tell(self, message: object) -> None:
        assert self._process.stdin is not None
        try:
            wire.write_to(self._process.stdin.fileno(), message)
        except OSError as error:
            raise EngineTrouble(f"the {self._what} is gone: {said(self._process)}") from error

    def hear(self, seconds: float) -> Any:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        # A message is written at once, so only its beginning has to be waited for.
        if not select.select([descriptor], [], [], seconds)[0]:
            raise TimeoutError
        try:
            return wire.receive_from(lambda size: os.read(descriptor, size))
        except EOFError as error:
            raise EngineTrouble(f"the {self._what} is gone: {said(self._process)}") from error


class LocalBox:
    """A cold box: a process and its offspring, watched through /proc."""

    zygote = None
    lanes = 1

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = process

    def usage(self) -> Mapping[int, Usage]:
        if not os.path.isdir("/proc/self"):
            return {}
        return {0: Usage(*kernel.usage_of_tree(self._process.pid))}

    def kill(self, lane: int) -> None:
        kill_group(self._process)

    def fate(self, lane: int) -> Fate | None:
        code = self._process.poll()
        if code is None:
            return None
        return "killed" if code in (-signal.SIGKILL, 128 + signal.SIGKILL) else "ended"


def judge_command(python: str = sys.executable) -> list[str]:
    return [python, "-m", "grader.judge"]


def box_command(port: int, home: str, python: str = sys.executable) -> list[str]:
    return [python, "-m", "grader.box", "--port", str(port), "--home", home]


def zygote_command(name: str, python: str = sys.executable) -> list[str]:
    return [python, "-m", "grader.box", "--port", str(BOX_PORT), "--zygote", name]


def environment(package_parent: str, python: str = sys.executable) -> dict[str, str]:
    """All that judge and box get to know of this machine's environment."""
    return {
        "PATH": os.pathsep.join((os.path.dirname(python), os.defpath)),
        "LANG": "C.UTF-8",
        "PYTHONPATH": package_parent,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        **THREAD_LIMITS,
        **SAME_ORDER,
    }


def spawn(argv: Sequence[str], env: Mapping[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own, so that a Ctrl-C reaches the grader alone.

    Its standard error goes to a file: nobody would read a pipe, and a full one holds up a writer.
    """
    try:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        process = subprocess.Popen(
            argv,
            env=dict(env),
            stderr=errors,
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "cwd": "/", **options},
        )
        process.stderr = errors
        return process
    except OSError as error:
        raise EngineTrouble(f"{argv[0]} cannot be started: {error.strerror}") from error


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills a process with its group, and waits until it is gone."""
    family = list(kernel.tree(process.pid))
    buried = pathlib.Path(str(process.args[0])).name in _LAUNCHERS  # type: ignore[index]
    if not (buried and _end_launched(process, family)):
        family += kill_group(process)
        process.wait()
    # The one inside a sandbox is somebody else's child: it holds its port until it is gone.
    give_up = time.monotonic() + _END_SECONDS
    while any(_is_alive(pid) for pid in family) and time.monotonic() < give_up:
        time.sleep(0.002)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _end_launched(process: subprocess.Popen[bytes], family: Sequence[int]) -> bool:
    """Kills what was launched, so that the launcher buries it and ends; whether it has ended.

    Otherwise burying is left to the machine's first process, which is slow at it in some
    containers, and a sandbox is not gone as long as anything in it lies unburied.
    """
    for pid in family:
        if pid != process.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_BURY_SECONDS)
    return process.returncode is not None


def kill_group(process: subprocess.Popen[bytes]) -> list[int]:
    """SIGKILL to a process, its group and its offspring, which it returns.

    A sandbox has a session of its own, so the group alone would not do.
    """
    family = list(kernel.tree(process.pid))
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in family:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return family


def _is_alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return stat.rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def said(process: subprocess.Popen[bytes]) -> str:
    """What a process that has ended, or ends now, left on standard error."""
    end_at = time.monotonic() + 1
    while process.poll() is None and time.monotonic() < end_at:
        time.sleep(0.01)
    process.kill()
    assert process.stderr is not None
    process.stderr.seek(0)
    text = process.stderr.read().decode("utf-8", "replace").strip()
    return text.splitlines()[-1] if text else f"it ended with {process.wait()}"
