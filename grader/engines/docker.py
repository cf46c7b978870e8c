"""The docker engine: judge and box are two containers that share a loopback and nothing else.

The judge has no network; the box joins its network namespace. Nothing of the host is mounted: all
that a box gets travels over the wire, so a Docker Desktop or a remote DOCKER_HOST will do.
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import shutil
import socket
import struct
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import docker
import docker.errors
import docker.types
import requests

from grader import wire
from grader.box.sandbox import MAX_INODES, SHARED_MEMORY_MB
from grader.box.tasks import SAME_ORDER, THREAD_LIMITS
from grader.catalog import Limits
from grader.engines import image
from grader.engines.base import BOX_PORT, Channel, Fate, Progress, how_to_install
from grader.engines.slot import Slot
from grader.errors import EngineTrouble
from grader.verdict import Usage

_OWNER = "ai-engineer-katas.owner"
_USER = "65534:65534"
_ANSWER_SECONDS = 120
#: So soon answers an engine that is there at all.
_PROBE_SECONDS = 5
#: What a file descriptor of a container says before each part of its output: which one, how much.
_STREAM_HEADER = struct.Struct(">BxxxI")
_STDOUT = 1
#: Whatever the SDK raises when the daemon refuses, breaks or hangs up.
_DOCKER_ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)


@dataclasses.dataclass(frozen=True)
class _Size:
    """What a container may use."""

    memory_mb: int
    disk_mb: int
    processes: int


#: Threads count; its scripted upstreams have one for each connection that a box opens.
_JUDGE = _Size(memory_mb=2048, disk_mb=256, processes=2048)


class DockerEngine:
    """Containers by the Docker API; Podman's compatible socket serves as well."""

    name = "docker"
    isolated = True

    def __init__(self, *, warm: bool = True) -> None:
        self.image: str | None = None
        self.warm = warm
        self._client: docker.DockerClient | None = None

    def problem(self) -> str | None:
        try:
            with contextlib.closing(docker.from_env(timeout=_PROBE_SECONDS)) as client:
                kind = client.info().get("OSType", "linux")
        except _DOCKER_ERRORS as error:
            if "ermission denied" in str(error):
                return (
                    "the Docker socket is not yours; run: sudo usermod -aG docker $USER && newgrp "
                    "docker"
                )
            if host := os.environ.get("DOCKER_HOST"):
                return f"no Docker engine answers at DOCKER_HOST={host}; run: unset DOCKER_HOST"
            return f"no Docker engine answers; {_first_aid()}"
        if kind != "linux":
            return "Docker runs Windows containers here; run: docker desktop engine use linux"
        return None

    def prepare(self, progress: Progress) -> None:
        with self._trouble("Docker cannot prepare"):
            self._remove_orphans()
            self.image = image.ensure(self._docker, progress)

    @contextlib.contextmanager
    def slot(self) -> Iterator[Slot]:
        with self._trusted("judge", ["grader.judge"], "none", _JUDGE) as (judge, channel):
            zygote = functools.partial(self._zygote, judge) if self.warm else None
            with contextlib.closing(
                Slot(channel, zygote, functools.partial(self._box, judge))
            ) as slot:
                yield slot

    @contextlib.contextmanager
    def _zygote(self, judge: str, name: str, limits: Limits, lanes: int) -> Iterator[Channel]:
        """The boxes of its lanes live in its container, each in namespaces of its own."""
        size = _Size(
            limits.box_memory_mb * lanes, limits.disk_mb, (limits.processes + 2) * lanes + 8
        )
        command = ["grader.box", "--port", str(BOX_PORT), "--zygote", name]
        with self._trusted("box", command, f"container:{judge}", size) as (_, channel):
            yield channel

    @contextlib.contextmanager
    def _trusted(
        self, kind: str, command: list[str], network: str, size: "_Size"
    ) -> Iterator[tuple[str, "_Channel"]]:
        """A container that runs nothing of a learner's before it has made walls of its own.

        Docker's filter of system calls and its masks over /proc would keep it from that; the box's
        own ones are narrower (grader.box.seccomp, grader.box.sandbox).
        """
        what = f"the {kind}'s container failed"
        with self._trouble(what):
            container = self._container(kind, command, network, size, {
                "MaskedPaths": [], "ReadonlyPaths": [],
            }, ["seccomp=unconfined", "apparmor=unconfined"], stdin_open=True)  # fmt: skip
        try:
            with self._trouble(what):
                stream = self._docker.api.attach_socket(
                    container, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
                channel = _Channel(getattr(stream, "_sock", stream), kind)
                self._docker.api.start(container)
            with contextlib.closing(channel):
                yield container, channel
        finally:
            self._remove(container)

    @contextlib.contextmanager
    def _box(self, judge: str, limits: Limits) -> Iterator["DockerBox"]:
        """A cold box: a container beside the judge's, behind Docker's own filter and masks too."""
        command = ["grader.box", "--port", str(BOX_PORT), "--home", "/tmp"]
        size = _Size(limits.box_memory_mb, limits.disk_mb, limits.processes + 1)
        with self._trouble("the box's container failed"):
            container = self._container("box", command, f"container:{judge}", size, {}, [])
        try:
            with self._trouble("the box's container failed"):
                self._docker.api.start(container)
            yield DockerBox(self._docker, container)
        finally:
            self._remove(container)

    @property
    def _docker(self) -> docker.DockerClient:
        if self._client is None:
            self._client = docker.from_env(timeout=_ANSWER_SECONDS)
        return self._client

    def _container(
        self,
        kind: str,
        command: list[str],
        network: str,
        size: "_Size",
        host: dict[str, Any],
        security: list[str],
        **options: Any,
    ) -> str:
        """A new container's id. `host` and `security` loosen what a trusted one needs."""
        api = self._docker.api
        memory = size.memory_mb * 1024**2
        settings = api.create_host_config(
            network_mode=network,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true", *security],
            read_only=True,
            ipc_mode="private",
            tmpfs={"/tmp": f"size={size.disk_mb}m,nr_inodes={MAX_INODES},mode=1777,exec"},
            shm_size=SHARED_MEMORY_MB * 1024**2,
            mem_limit=memory,
            memswap_limit=memory,
            pids_limit=size.processes,
            log_config=docker.types.LogConfig(type="none"),
            ulimits=[docker.types.Ulimit(name="core", soft=0, hard=0)],
        )
        made: dict[str, str] = api.create_container(
            self.image,
            ["python", "-m", *command],
            name=f"kata-{kind}-{uuid.uuid4().hex[:12]}",
            labels={_OWNER: owner_of(os.getpid())},
            user=_USER,
            environment={**THREAD_LIMITS, **SAME_ORDER},
            host_config={**settings, **host},
            **options,
        )
        return made["Id"]

    def _remove_orphans(self) -> None:
        """Containers of graders that were killed: their processes ended, they themselves stay."""
        for container in self._docker.containers.list(
            all=True, filters={"label": _OWNER}, ignore_removed=True
        ):
            if not _owner_lives(container.labels[_OWNER]):
                self._remove(str(container.id))

    def _remove(self, container: str) -> None:
        with contextlib.suppress(*_DOCKER_ERRORS):
            self._docker.api.remove_container(container, force=True, v=True)

    @contextlib.contextmanager
    def _trouble(self, what: str) -> Iterator[None]:
        try:
            yield
        except _DOCKER_ERRORS as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EngineTrouble(f"{what}: {reason}") from error


class DockerBox:
    """A cold box's container, watched through Docker's statistics."""

    port = BOX_PORT
    zygote = None
    lanes = 1

    def __init__(self, client: docker.DockerClient, container: str) -> None:
        self._client = client
        self._container = container

    def usage(self) -> Mapping[int, Usage]:
        try:
            stats = self._client.api.stats(self._container, stream=False, one_shot=True)
        except _DOCKER_ERRORS:
            return {}
        memory, details = stats["memory_stats"], stats["memory_stats"].get("stats", {})
        files = details.get("total_inactive_file", details.get("inactive_file", 0))
        used = memory.get("usage")
        usage = Usage(
            cpu_seconds=round(stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, 2),
            memory_mb=None if used is None else round((used - files) / 1024**2, 1),
            processes=stats["pids_stats"].get("current"),
        )
        return {0: usage}

    def kill(self, lane: int) -> None:
        with contextlib.suppress(*_DOCKER_ERRORS):
            self._client.api.kill(self._container)

    def fate(self, lane: int) -> Fate | None:
        try:
            state = self._client.api.inspect_container(self._container)["State"]
        except _DOCKER_ERRORS:
            return "killed"
        if state["Running"]:
            return "memory" if state["OOMKilled"] else None
        if state["OOMKilled"]:
            return "memory"
        return "killed" if state["ExitCode"] == 137 else "ended"


class _Channel:
    """Messages over an attached container's multiplexed stream."""

    def __init__(self, connection: socket.socket, what: str) -> None:
        self._connection = connection
        self._what = what
        self._raw = b""
        self._output = b""
        self._errors = b""

    def tell(self, message: object) -> None:
        try:
            self._connection.settimeout(_ANSWER_SECONDS)
            self._connection.sendall(wire.message(message))
        except OSError as error:
            raise EngineTrouble(f"the {self._what}'s container is gone") from error

    def hear(self, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while (message := wire.split(self._output)) is None:
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                part = self._connection.recv(1 << 18)
            except TimeoutError:
                raise
            except OSError as error:
                raise EngineTrouble(f"the {self._what}'s container is gone") from error
            if not part:
                said = self._errors.decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise EngineTrouble(
                    f"the {self._what}'s container ended: {said or 'no reason given'}"
                )
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


def _first_aid() -> str:
    """The one step that starts a Docker engine here."""
    if sys.platform != "linux":
        if shutil.which("docker"):
            return "run: docker desktop start"
        mac = sys.platform == "darwin"
        return (
            f"run: {'brew install --cask docker' if mac else 'winget install Docker.DockerDesktop'}"
        )
    if shutil.which("dockerd") is None:
        return how_to_install("docker", apt_get="docker.io", dnf="moby-engine")
    if os.path.isdir("/run/systemd/system"):
        return "run: sudo systemctl start docker"
    return "run: sudo service docker start"


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
