"""The box's first process: accepts the judge's requests and forks a process for each of them.

One connection from the judge is the control connection: `hello`, `reset`, `read`, `list`, `write`,
`end`, `kill` and `log` are answered there. Every other connection opens a session: one forked
process that works for the judge until it ends or is killed. The supervisor never runs learner code.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.util
import os
import pathlib
import resource
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from grader import kernel, wire
from grader.box import seccomp, tasks
from grader.errors import WireError

_GREETING_SECONDS = 5.0
#: From the first byte of a caller's token to its last: the judge sends them at once.
_REQUEST_SECONDS = 0.05
_BIND_SECONDS = 5.0
#: A submission that takes longer is compiled where it is imported, in that behaviour's time.
_COMPILE_SECONDS = 2.0
_KINDS = ("call", "run", "serve")
#: The end of a session whose connection did not get through to the supervisor.
_NEVER_BEGAN = {"code": -signal.SIGKILL, "reason": None, "cpu": 0.0, "stdout": b"", "stderr": b""}
_WAIT_FOR_JUDGE_SECONDS = 60.0
_THREAD_STACK_BYTES = 2 * 1024 * 1024
#: What a list of files may come to, and how many they may be.
_LIST_BYTES, _LIST_FILES = 1024 * 1024, 10_000


@dataclasses.dataclass
class _Session:
    """One forked process. Its end is told on the control connection, by its number."""

    number: int
    pid: int
    connection: socket.socket
    pipes: dict[int, bytearray]
    stdout: int
    stderr: int
    output_left: int
    flooded: bool = False
    end: dict[str, Any] | None = None


class Supervisor:
    """Serves one judge on `port`; everything that learner code may write lies below `home`.

    `control` is the judge's connection where it has one already, from a zygote.
    """

    def __init__(
        self,
        port: int,
        home: pathlib.Path,
        *,
        limit_processes: bool,
        control: socket.socket | None = None,
    ) -> None:
        self._control = control
        # Only its hash is kept: learner code runs in copies of this process's memory.
        self._token_hash: bytes | None = None
        self._home = home
        self._root = home / "submission"
        self._scratch = home / "scratch"
        self._limit_processes = limit_processes
        self._limits: dict[str, int] = {}
        self._compiled_for: dict[str, bytes] = {}
        self._bytecode: dict[str, bytes] = {}
        self._sessions: dict[int, _Session] = {}
        self._ooms = kernel.oom_kills()
        self._listener = _listen(port)
        self._selector = selectors.DefaultSelector()
        # As the first process of its own PID namespace nothing inside can signal the supervisor,
        # and it may end everything else at one blow. Anywhere else that would hit the whole user.
        self._owns_namespace = os.getpid() == 1
        os.environ.update(tasks.THREAD_LIMITS)
        if self._owns_namespace:
            seccomp.shut()
        kernel.set_dumpable(False)

    def serve(self) -> Callable[[], object] | None:
        """Works until the judge hangs up; then None. In a forked child: what the child must do."""
        # The judge connects before there is any learner code; its token is the one from then on.
        self._listener.settimeout(_WAIT_FOR_JUDGE_SECONDS)
        try:
            control = self._control or self._accept_judge()
            token = wire.receive(control, time.monotonic() + _GREETING_SECONDS)
        except (OSError, EOFError, WireError):
            return None
        self._token_hash = hashlib.sha256(token.encode()).digest()
        control.settimeout(None)
        self._listener.settimeout(0)
        wakeup, wakeup_writer = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(wakeup_writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Python handles this one, so that it would reach even the first process of a namespace.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(wakeup_writer, warn_on_full_buffer=False)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(wakeup, selectors.EVENT_READ)
        while True:
            ready = (key for key, _ in self._selector.select())
            # The judge's word first; after it, and after each caller, what is ready may differ.
            for key in sorted(ready, key=lambda key: key.fileobj is not control):
                if key.fileobj is control:
                    try:
                        request = wire.receive(control)
                        wire.send(control, self._answer(request))
                    except (EOFError, OSError):
                        self._sweep()
                        return None
                    break
                elif key.fileobj is self._listener:
                    # Read from when there is something: silent callers hold up nobody.
                    with contextlib.suppress(OSError):  # gone again, or cleared by a reset
                        caller, _ = self._listener.accept()
                        self._selector.register(caller, selectors.EVENT_READ, self._listener)
                elif key.data is self._listener:
                    task = self._open_session(key.fileobj)
                    if task is not None:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        signal.signal(signal.SIGINT, signal.default_int_handler)
                        return task
                    break
                elif key.fd == wakeup:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wakeup, 4096)
                    self._reap()
                else:
                    self._drain(key.data, key.fd)

    def _accept_judge(self) -> socket.socket:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    # --- the control connection -------------------------------------------------------------

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        number = request.pop("id")
        try:
            operation = getattr(self, "_do_" + request.pop("do"))
            return {"id": number, "value": operation(**request)}
        except Exception as error:
            return {"id": number, "error": f"{type(error).__name__}: {error}"}

    def _do_hello(self, limits: dict[str, int], preload: list[str]) -> str:
        self._limits = limits
        tasks.warm(preload)
        return sys.version.split()[0]

    def _do_reset(self, files: dict[str, bytes]) -> str:
        """Ends every process, empties every folder, lays the submission anew, read-only."""
        self._sweep()
        self._hang_up_on_callers()
        for session in list(self._sessions.values()):
            self._forget(session)
        self._ooms = kernel.oom_kills()
        _empty(self._home)
        if self._owns_namespace:
            _empty(pathlib.Path("/dev/shm"))
        for folder in (self._root, self._scratch, self._home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(self._root, name, content)
        if files != self._compiled_for:
            self._compiled_for, self._bytecode = files, self._compile(files)
        for name, content in self._bytecode.items():
            _write(self._root, importlib.util.cache_from_source(name), content)
        for path in sorted(self._root.rglob("*"), reverse=True):
            path.chmod(0o555 if path.is_dir() else 0o444)
        self._root.chmod(0o555)
        return str(self._root)

    def _compile(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """The submission's bytecode, for all behaviours; hostile source may take for ever."""
        ours, theirs = socket.socketpair()
        pid = self._fork()
        if pid == 0:
            try:
                self._restrict()
                wire.send(theirs, tasks.bytecode(self._root))
            finally:
                os._exit(0)
        theirs.close()
        try:
            compiled = wire.receive(ours, time.monotonic() + _COMPILE_SECONDS)
        except (OSError, EOFError, WireError):
            compiled = {}
        ours.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return {name: content for name, content in compiled.items() if name in files}

    def _hang_up_on_callers(self) -> None:
        """Whoever has connected and said nothing yet belongs to a behaviour that is over."""
        with contextlib.suppress(OSError):
            while True:
                self._listener.accept()[0].close()
        for key in list(self._selector.get_map().values()):
            if key.data is self._listener:
                self._selector.unregister(key.fileobj)
                os.close(key.fd)
                key.fileobj.detach()  # type: ignore[union-attr]

    def _do_write(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            _write(self._scratch, name, content)

    def _do_read(self, name: str) -> bytes | None:
        """A file of the scratch folder; None where there is no regular file that can be read."""
        # Learner code may have put a FIFO or a device there: never wait for it.
        with contextlib.suppress(OSError):
            descriptor = os.open(self._scratch / name, os.O_RDONLY | os.O_NONBLOCK)
            with open(descriptor, "rb") as stream:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return stream.read(wire.MAX_MESSAGE // 2)
        return None

    def _do_list(self, folder: str) -> list[str]:
        found: list[str] = []
        size = 0
        for parent, _, names in os.walk(self._scratch / folder):
            for name in names:
                path = os.path.relpath(os.path.join(parent, name), self._scratch)
                found.append(path.encode("utf-8", "backslashreplace").decode())
                size += len(found[-1])
                if len(found) >= _LIST_FILES or size >= _LIST_BYTES:
                    return sorted(found)
        return sorted(found)

    def _do_kill(self, number: int) -> None:
        if number in self._sessions:
            self._signal(self._sessions[number])

    def _do_end(self, number: int) -> dict[str, Any] | None:
        """How a session ended, or None while it runs."""
        self._reap()
        if number not in self._sessions:
            return _NEVER_BEGAN
        session = self._sessions[number]
        return session.end and {**session.end, **self._do_log(number)}

    def _do_log(self, number: int) -> dict[str, bytes]:
        session = self._sessions[number]
        for pipe in list(session.pipes):
            self._drain(session, pipe)
        return {
            "stdout": bytes(session.pipes[session.stdout]),
            "stderr": bytes(session.pipes[session.stderr]),
        }

    # --- sessions ---------------------------------------------------------------------------

    def _open_session(self, connection: Any) -> Callable[[], object] | None:
        """Forks for a caller that knows the token and asks for something; hangs up on others."""
        self._selector.unregister(connection)
        deadline = time.monotonic() + _REQUEST_SECONDS
        try:
            token = wire.receive(connection, deadline)
            if hashlib.sha256(token.encode()).digest() != self._token_hash:
                raise WireError("a stranger")
            request = wire.receive(connection, time.monotonic() + _GREETING_SECONDS)
            if request["number"] in self._sessions or request["kind"] not in _KINDS:
                raise WireError("not a request of the judge's")
        except (OSError, EOFError, WireError, AttributeError, KeyError, TypeError):
            connection.close()
            return None
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            wire.send(connection, {"begun": request["number"]})
        stdout, stdout_writer = os.pipe()
        stderr, stderr_writer = os.pipe()
        pid = self._fork()
        if pid == 0:
            return self._become(request, connection, stdout_writer, stderr_writer)
        os.close(stdout_writer)
        os.close(stderr_writer)
        session = _Session(
            request["number"],
            pid,
            connection,
            {stdout: bytearray(), stderr: bytearray()},
            stdout,
            stderr,
            self._limits["output_kb"] * 1024,
        )
        self._sessions[session.number] = session
        for pipe in session.pipes:
            os.set_blocking(pipe, False)
            self._selector.register(pipe, selectors.EVENT_READ, session)
        return None

    def _fork(self) -> int:
        try:
            return os.fork()
        except BlockingIOError:
            # Processes that an earlier request left behind have used up the limit.
            self._sweep()
            return os.fork()

    def _become(
        self, request: dict[str, Any], connection: socket.socket, stdout: int, stderr: int
    ) -> Callable[[], object]:
        """In the child: gives up all that is the supervisor's, and returns the task."""
        os.setsid()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        with tempfile.TemporaryFile(dir=self._home / "tmp") as stdin:
            stdin.write(request.get("stdin", b""))
            stdin.seek(0)
            os.dup2(stdin.fileno(), 0)
        own = connection.fileno()
        os.dup2(own, 3)
        connection.detach()
        os.closerange(4, 65536)
        self._listener.detach()
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home / "tmp"),
            "TMPDIR": str(self._home / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self._root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **tasks.THREAD_LIMITS,
            **request.get("env", {}),
        }
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None
        os.chdir(self._scratch)
        self._restrict()
        kind = request["kind"]
        if kind == "call":
            return functools.partial(tasks.answer_calls, socket.socket(fileno=3), self._root)
        if kind == "serve":
            return functools.partial(
                tasks.serve,
                socket.socket(fileno=3),
                self._root,
                request["target"],
                request["workers"],
            )
        os.close(3)
        return functools.partial(tasks.run, self._root, request["argv"], fresh=request["fresh"])

    def _restrict(self) -> None:
        """Limits that hold for the child and all its offspring, whatever engine is outside."""
        memory = self._limits["memory_mb"] * 1024 * 1024 + kernel.data_bytes()
        cpu = self._limits["cpu_seconds"]
        limits = {
            resource.RLIMIT_CORE: (0, 0),
            resource.RLIMIT_CPU: (cpu, cpu + 1),
            resource.RLIMIT_DATA: (memory, memory),
            resource.RLIMIT_FSIZE: (self._limits["disk_mb"] * 1024 * 1024,) * 2,
            resource.RLIMIT_NOFILE: (1024, 1024),
        }
        if hasattr(resource, "RLIMIT_MSGQUEUE"):
            limits[resource.RLIMIT_MSGQUEUE] = (0, 0)  # a queue would outlive its behaviour
        if self._limit_processes:
            limits[resource.RLIMIT_NPROC] = (self._limits["processes"],) * 2
        for kind, (soft, hard) in limits.items():
            _, most = resource.getrlimit(kind)
            if most != resource.RLIM_INFINITY:
                soft, hard = min(soft, most), min(hard, most)
            resource.setrlimit(kind, (soft, hard))
        # RLIMIT_DATA counts a thread's whole stack, which is 8 MB unless asked for otherwise.
        threading.stack_size(_THREAD_STACK_BYTES)
        kernel.no_new_privileges()
        kernel.set_dumpable(True)
        with contextlib.suppress(OSError):
            # When memory runs out, the learner's process goes first and the supervisor stays.
            pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
        if numpy := sys.modules.get("numpy"):
            # Forks share numpy's legacy generator; a new interpreter would seed it afresh.
            numpy.random.seed()

    def _drain(self, session: _Session, pipe: int) -> None:
        while True:
            try:
                data = os.read(pipe, 65536)
            except (BlockingIOError, OSError):
                return
            if not data:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(pipe)
                return
            session.pipes[pipe] += data[: max(session.output_left, 0)]
            session.output_left -= len(data)
            if session.output_left < 0 and not session.flooded:
                session.flooded = True
                self._signal(session)
                return

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for session in self._sessions.values():
                if session.pid == pid:
                    self._finish(session, status, usage)

    def _finish(self, session: _Session, status: int, usage: resource.struct_rusage) -> None:
        code = os.waitstatus_to_exitcode(status)
        reason = None
        if session.flooded:
            reason = "output"
        elif code == -signal.SIGXCPU:
            reason = "cpu"
        elif code == tasks.EXIT_OUT_OF_MEMORY or kernel.oom_kills() > self._ooms:
            reason = "memory"
        session.end = {"code": code, "reason": reason, "cpu": usage.ru_utime + usage.ru_stime}
        for pipe in session.pipes:
            self._drain(session, pipe)
        # A daemon that the session left behind may hold a copy: closing alone would tell nobody.
        with contextlib.suppress(OSError):
            session.connection.shutdown(socket.SHUT_RDWR)
        session.connection.close()

    def _forget(self, session: _Session) -> None:
        for pipe in session.pipes:
            with contextlib.suppress(KeyError):
                self._selector.unregister(pipe)
            os.close(pipe)
        session.connection.close()
        del self._sessions[session.number]

    def _signal(self, session: _Session) -> None:
        if session.end is None:
            for kill in (os.killpg, os.kill):  # it may not lead its group yet
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(session.pid, signal.SIGKILL)

    def _sweep(self) -> None:
        """Ends every process but this one."""
        for _ in range(1000):
            for session in self._sessions.values():
                self._signal(session)
            if self._owns_namespace:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            self._reap()
            if not self._others():
                return
            time.sleep(0.001)

    def _others(self) -> bool:
        if not self._owns_namespace:
            return any(session.end is None for session in self._sessions.values())
        return any(name.isdigit() and name != "1" for name in os.listdir("/proc"))


def _listen(port: int) -> socket.socket:
    """A listener; the box before this one may take a moment to let go of the port."""
    give_up = time.monotonic() + _BIND_SECONDS
    while True:
        try:
            return socket.create_server(("127.0.0.1", port), backlog=64)
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _write(folder: pathlib.Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # Learner code may have put a pipe there, which nobody would ever read, and may do so again.
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as stream:
        stream.write(content)


def _empty(folder: pathlib.Path) -> None:
    """Removes all below `folder`, whatever modes and depths learner code has left."""
    if not folder.is_dir():
        return
    with contextlib.suppress(OSError, RecursionError):
        for parent, names, _ in os.walk(folder):
            for name in names:
                if not os.path.islink(os.path.join(parent, name)):
                    os.chmod(os.path.join(parent, name), 0o700)
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        return
    # Deeper than Python's recursion or a path's length: these two programs know no such bounds.
    inside = [entry.path for entry in os.scandir(folder)]
    for program in (["chmod", "-R", "u+rwX", "--"], ["rm", "-rf", "--"]):
        subprocess.run([*program, *inside], stderr=subprocess.DEVNULL, check=False)
