"""A warm process that forks boxes: what they would import has been imported once, here.

The idea is the zygote of SOCK (Oakes et al., USENIX ATC 2018). It never runs learner code. The host
speaks to it over standard input and output. Judges send it the descriptors of a network of their
own over a Unix socket, which becomes the control connection of the box that comes of it.
"""

import contextlib
import functools
import os
import pathlib
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any

from grader import kernel, wire
from grader.box import sandbox, tasks
from grader.box.supervisor import Supervisor

_HOME = pathlib.Path("/tmp")
_PID = struct.Struct("=i")
_READY = b"+"


class _Lane:
    """One box of the grading that is under way; on the pipe `says` it says that it is ready."""

    def __init__(self, pid: int, says: int) -> None:
        self.pid = pid
        self._says = says
        self._ready = False
        self._ooms = kernel.oom_kills()
        self.status: int | None = None
        self.usage: tuple[float, float, int] = (0.0, 0.0, 0)

    def look(self, *, wait: bool = False) -> None:
        """Measures it, or takes note of its end."""
        if self.status is not None:
            return
        pid, status, rusage = os.wait4(self.pid, 0 if wait else os.WNOHANG)
        if pid:
            self.status = status
            self.usage = rusage.ru_utime + rusage.ru_stime, 0.0, 0
        else:
            self.usage = kernel.usage_of_tree(self.pid)

    def fate(self) -> str | None:
        """None while it is there; else why it is gone: see `Fate` in grader.engines.base."""
        self.look()
        if self.status is None:
            return None
        if kernel.oom_kills() > self._ooms:
            return "memory"
        # The byte can be read only once, and this is asked again for each behaviour.
        if not self._ready and select.select([self._says], [], [], 0)[0]:
            self._ready = os.read(self._says, 1) == _READY
        if not self._ready:
            return "stillborn"
        return "killed" if os.WIFSIGNALED(self.status) else "ended"

    def end(self) -> None:
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.look(wait=True)
        os.close(self._says)


class Zygote:
    """Serves one host, and the judges that connect to the abstract Unix address `name`."""

    def __init__(self, name: str, port: int) -> None:
        self._port = port
        self._disk_mb = 0
        self._lanes: dict[int, _Lane] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind("\0" + name)
        self._listener.listen(64)
        self._requests, self._replies = os.dup(0), os.dup(1)
        sink = os.open(os.devnull, os.O_RDWR)
        os.dup2(sink, 0)
        os.dup2(sink, 1)
        os.close(sink)
        os.environ.update(tasks.THREAD_LIMITS)
        kernel.no_new_privileges()
        kernel.adopt_orphans()

    def serve(self) -> Callable[[], Any] | None:
        """Works until the host hangs up; then None. In a forked box: the box's own `serve`."""
        while True:
            ready, _, _ = select.select([self._requests, self._listener.fileno()], [], [])
            if self._requests in ready:
                try:
                    request = wire.receive_from(lambda size: os.read(self._requests, size))
                except EOFError:
                    self._do_end()
                    return None
                operation = getattr(self, "_do_" + request.pop("do"))
                wire.write_to(self._replies, operation(**request))
            elif work := self._open():
                return work

    # --- the host's requests ----------------------------------------------------------------

    def _do_warm(self, preload: list[str], disk_mb: int) -> str | None:
        """Imports what boxes will need. The answer: why no boxes can be made here, if so."""
        self._disk_mb = disk_mb
        tasks.warm(preload)
        return _problem()

    def _do_usage(self) -> dict[str, list[float]]:
        for lane in self._lanes.values():
            lane.look()
        return {str(number): list(lane.usage) for number, lane in self._lanes.items()}

    def _do_fate(self, lane: int) -> str | None:
        return self._lanes[lane].fate() if lane in self._lanes else "stillborn"

    def _do_kill(self, lane: int) -> None:
        if lane in self._lanes and self._lanes[lane].status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._lanes[lane].pid, signal.SIGKILL)

    def _do_end(self) -> None:
        """Ends every box and waits until all of it is gone."""
        for lane in self._lanes.values():
            lane.end()
        self._lanes.clear()

    # --- boxes ------------------------------------------------------------------------------

    def _open(self) -> Callable[[], Any] | None:
        """Makes a box for the judge that has connected; returns, in the box, its `serve`."""
        connection, _ = self._listener.accept()
        lane, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
        told, tells = os.pipe()
        says, ready = os.pipe()
        between = os.fork()
        if between == 0:
            try:
                sandbox.enter(*descriptors)
                pid = os.fork()
                if pid:
                    os.write(tells, _PID.pack(pid))
            except OSError:
                pid = -1
            if pid:
                os._exit(0)
            for descriptor in (*descriptors, told, tells, says, self._requests, self._replies):
                os.close(descriptor)
            self._listener.close()
            return functools.partial(self._become, connection, ready)
        os.waitpid(between, 0)
        for descriptor in (*descriptors, tells, ready):
            os.close(descriptor)
        connection.close()
        pid_of_box = os.read(told, _PID.size)
        os.close(told)
        if pid_of_box:
            self._lanes[lane[0]] = _Lane(_PID.unpack(pid_of_box)[0], says)
        else:
            os.close(says)
        return None

    def _become(self, connection: socket.socket, ready: int) -> Callable[[], Any] | None:
        """In the box's first process: makes its walls, then serves the judge."""
        sandbox.furnish(self._disk_mb)
        with contextlib.suppress(OSError):
            # Should memory run out, the zygote goes last.
            pathlib.Path("/proc/self/oom_score_adj").write_text("500")
        supervisor = Supervisor(self._port, _HOME, limit_processes=True, control=connection)
        os.write(ready, _READY)
        os.close(ready)
        return supervisor.serve()


def _problem() -> str | None:
    """Tries, in a child, what a box will need; the reason if it is refused."""
    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            kernel.new_network()
            kernel.new_namespaces(sandbox.KINDS)
            if os.fork() == 0:
                try:
                    sandbox.furnish(1)
                except OSError as error:
                    os.write(tells, str(error).encode())
            else:
                os.wait()
        except OSError as error:
            os.write(tells, str(error).encode())
        finally:
            os._exit(0)
    os.close(tells)
    os.waitpid(child, 0)
    with open(told, "rb") as reason:
        return reason.read().decode() or None
