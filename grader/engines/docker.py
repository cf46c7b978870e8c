"""The docker engine: judge and box are two containers that share a loopback and nothing else.

The judge has no network; the box joins its network namespace. Nothing of the host is mounted: all
that a box gets travels over the wire, so a Docker Desktop or a remote DOCKER_HOST will do.
"""

import contextlib
import os
import pathlib
import socket
import struct
import time
import uuid
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors
import docker.types
import requests

from grader import wire
from grader.box.tasks import THREAD_LIMITS
from grader.catalog import Limits
from grader.engines import image
from grader.engines.base import Fate, Progress
from grader.errors import EngineTrouble
from grader.verdict import Usage

_OWNER = "ai-engineer-katas.owner"
_BOX_PORT = 4711
_USER = "65534:65534"
_JUDGE_MEMORY_MB = 2048
_JUDGE_DISK_MB = 256
#: Threads count; its scripted upstreams have one for each connection that a box opens.
_JUDGE_PROCESSES = 2048
_SHARED_MEMORY_MB = 16
_MAX_INODES = 20_000
_START_SECONDS = 60.0
_ANSWER_SECONDS = 120
#: What a file descriptor of a container says before each part of its output: which one, how much.
_STREAM_HEADER = struct.Struct(">BxxxI")
_STDOUT = 1
#: Whatever the SDK raises when the daemon refuses, breaks or hangs up.
_DOCKER_ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)


class DockerEngine:
    """Containers by the Docker API; Podman's compatible socket serves as well."""

    name = "docker"
    isolated = True

    def __init__(self) -> None:
        self.image: str | None = None
        self._client: docker.DockerClient | None = None

    def problem(self) -> str | None:
        try:
            self._client = docker.from_env(timeout=_ANSWER_SECONDS)
            kind = self._client.info().get("OSType", "linux")
        except _DOCKER_ERRORS as error:
            if "ermission denied" in str(error):
                return "the Docker socket is not yours; run: sudo usermod -aG docker $USER"
            return "no Docker engine answers; start Docker Desktop, or: sudo systemctl start docker"
        if kind != "linux":
            return "Docker runs Windows containers here; switch Docker Desktop to Linux containers"
        return None

    def prepare(self, progress: Progress) -> None:
        with self._trouble("Docker cannot prepare"):
            self._remove_orphans()
            self.image = image.ensure(self._docker, progress)

    @contextlib.contextmanager
    def slot(self) -> Iterator["DockerSlot"]:
        with self._trouble("the judge's container failed"):
            judge = self._container(
                "grader.judge",
                [],
                _JUDGE_MEMORY_MB,
                _JUDGE_DISK_MB,
                _JUDGE_PROCESSES,
                "none",
                stdin_open=True,
            )
        try:
            with self._trouble("the judge's container failed"):
                stream = self._docker.api.attach_socket(
                    judge.id, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
                channel = _Channel(getattr(stream, "_sock", stream))
                judge.start()
            with contextlib.closing(channel):
                yield DockerSlot(self, judge, channel)
        finally:
            _remove(judge)

    @contextlib.contextmanager
    def box(self, judge: Any, limits: Limits) -> Iterator["DockerBox"]:
        """A box beside a judge."""
        arguments = ["--port", str(_BOX_PORT), "--home", "/tmp"]
        with self._trouble("the box's container failed"):
            container = self._container(
                "grader.box", arguments, limits.box_memory_mb, limits.disk_mb,
                limits.processes + 1, f"container:{judge.id}",
                environment=THREAD_LIMITS,
            )  # fmt: skip
        try:
            with self._trouble("the box's container failed"):
                container.start()
            yield DockerBox(self._docker, container)
        finally:
            _remove(container)

    @property
    def _docker(self) -> docker.DockerClient:
        if self._client is None:
            self._client = docker.from_env(timeout=_ANSWER_SECONDS)
        return self._client

    def _container(
        self,
        module: str,
        arguments: list[str],
        memory_mb: int,
        disk_mb: int,
        processes: int,
        network: str,
        **options: Any,
    ) -> Any:
        return self._docker.containers.create(
            str(self.image),
            ["python", "-m", module, *arguments],
            name=f"kata-{module.rpartition('.')[2]}-{uuid.uuid4().hex[:12]}",
            labels={_OWNER: owner_of(os.getpid())},
            user=_USER,
            network_mode=network,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            ipc_mode="private",
            tmpfs={"/tmp": f"size={disk_mb}m,nr_inodes={_MAX_INODES},mode=1777,exec"},
            shm_size=_SHARED_MEMORY_MB * 1024**2,
            mem_limit=memory_mb * 1024**2,
            memswap_limit=memory_mb * 1024**2,
            pids_limit=processes,
            log_config=docker.types.LogConfig(type="none"),
            ulimits=[docker.types.Ulimit(name="core", soft=0, hard=0)],
            **options,
        )

    def _remove_orphans(self) -> None:
        """Containers of graders that were killed: their processes ended, they themselves stay."""
        for container in self._docker.containers.list(
            all=True, filters={"label": _OWNER}, ignore_removed=True
        ):
            if not _owner_lives(container.labels[_OWNER]):
                _remove(container)

    @contextlib.contextmanager
    def _trouble(self, what: str) -> Iterator[None]:
        try:
            yield
        except _DOCKER_ERRORS as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EngineTrouble(f"{what}: {reason}") from error


class DockerSlot:
    """A judge's container, spoken to over its standard input and output."""

    def __init__(self, engine: DockerEngine, judge: Any, channel: "_Channel") -> None:
        self._engine = engine
        self._judge = judge
        self._channel = channel
        try:
            channel.receive(_START_SECONDS)
        except TimeoutError as error:
            raise EngineTrouble("the judge's container does not answer") from error

    def tell(self, message: object) -> None:
        self._channel.send(message)

    def hear(self, seconds: float) -> Any:
        return self._channel.receive(seconds)

    def box(self, limits: Limits) -> contextlib.AbstractContextManager["DockerBox"]:
        return self._engine.box(self._judge, limits)


class DockerBox:
    """A box's container, watched through Docker's statistics."""

    def __init__(self, client: docker.DockerClient, container: Any) -> None:
        self.port = _BOX_PORT
        self._client = client
        self._container = container

    def usage(self) -> Usage:
        try:
            stats = self._client.api.stats(self._container.id, stream=False, one_shot=True)
        except _DOCKER_ERRORS:
            return Usage()
        memory, details = stats["memory_stats"], stats["memory_stats"].get("stats", {})
        files = details.get("total_inactive_file", details.get("inactive_file", 0))
        used = memory.get("usage")
        return Usage(
            cpu_seconds=round(stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, 2),
            memory_mb=None if used is None else round((used - files) / 1024**2, 1),
            processes=stats["pids_stats"].get("current"),
        )

    def kill(self) -> None:
        with contextlib.suppress(*_DOCKER_ERRORS):
            self._container.kill()

    def fate(self) -> Fate | None:
        try:
            state = self._client.api.inspect_container(self._container.id)["State"]
        except _DOCKER_ERRORS:
            return "killed"
        if state["Running"]:
            return "memory" if state["OOMKilled"] else None
        if state["OOMKilled"]:
            return "memory"
        return "killed" if state["ExitCode"] == 137 else "ended"


class _Channel:
    """Messages over an attached container's multiplexed stream."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._raw = b""
        self._output = b""
        self._errors = b""

    def send(self, message: object) -> None:
        try:
            self._connection.settimeout(_ANSWER_SECONDS)
            self._connection.sendall(wire.message(message))
        except OSError as error:
            raise EngineTrouble("the judge's container is gone; grade again") from error

    def receive(self, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while (message := wire.split(self._output)) is None:
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                part = self._connection.recv(1 << 18)
            except TimeoutError:
                raise
            except OSError as error:
                raise EngineTrouble("the judge's container is gone; grade again") from error
            if not part:
                said = self._errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise EngineTrouble(f"the judge's container ended: {said or 'no reason given'}")
            self._raw += part
            self._demultiplex()
        value, self._output = message
        return value

    def _demultiplex(self) -> None:
        while len(self._raw) >= _STREAM_HEADER.size:
            stream, size = _STREAM_HEADER.unpack_from(self._raw)
            end = _STREAM_HEADER.size + size
            if len(self._raw) < end:
                return
            part, self._raw = self._raw[_STREAM_HEADER.size : end], self._raw[end:]
            if stream == _STDOUT:
                self._output += part
            else:
                self._errors = (self._errors + part)[-4000:]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()


def _remove(container: Any) -> None:
    with contextlib.suppress(*_DOCKER_ERRORS):
        container.remove(force=True, v=True)


def owner_of(pid: int) -> str:
    """A process's label, so that a later grader can tell whether it still lives."""
    return f"{socket.gethostname()} {pid} {_started(pid)}"


def _owner_lives(owner: str) -> bool:
    host, pid, started = owner.split()
    if host != socket.gethostname() or os.name != "posix":
        return True  # nothing to be known from here: leave it alone
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process was started, in the kernel's ticks; "-" where that cannot be read."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "-"
    return stat.rpartition(")")[2].split()[19]
