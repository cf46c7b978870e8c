"""What the machine does: its busy seconds, the memory of the grader's processes, what it is."""

import contextlib
import dataclasses
import os
import pathlib
import platform
import resource
import time
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import docker

from grader.engines.base import Engine
from grader.engines.docker import DockerEngine, owner_of
from tests.machine import offspring

T = TypeVar("T")
CORES = os.cpu_count() or 1
#: So long the machine's own background is watched.
_IDLE_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Spent:
    """Seconds of CPU of the whole machine, without its background, and of wall time.

    `background`: how many processors were busy just before, the most of all that was added up.
    """

    cpu: float = 0.0
    wall: float = 0.0
    background: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        most = max(self.background, other.background)
        return Spent(self.cpu + other.cpu, self.wall + other.wall, most)


def background() -> float:
    """How many processors are busy with something else, by a look at the machine now."""
    busy = _busy()
    time.sleep(_IDLE_SECONDS)
    return (_busy() - busy) / _IDLE_SECONDS


def spent(background: float, work: Callable[..., T], *arguments: Any) -> tuple[Spent, T]:
    """What `work(*arguments)` costs, daemons and all, and what it returned."""
    busy, started = _busy(), time.monotonic()
    came = work(*arguments)
    wall = time.monotonic() - started
    return Spent(_busy() - busy - background * wall, wall, background), came


def _busy() -> float:
    """Seconds that all processors together have worked since the machine started."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def slot_processes(engine: Engine) -> set[int]:
    """The first processes of the slots that this process holds."""
    if not isinstance(engine, DockerEngine):
        return offspring(os.getpid())
    api = docker.from_env().api
    owner = f"ai-engineer-katas.owner={owner_of(os.getpid())}"
    held = api.containers(filters={"label": owner})
    return {api.inspect_container(each["Id"])["State"]["Pid"] for each in held}


def memory_mb(first: Collection[int]) -> float | None:
    """Of these processes and all below them, each page by the share that falls to them (PSS).

    None where they may not be looked into, which takes root.
    """
    kilobytes = 0
    for pid in set(first).union(*map(offspring, first)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except PermissionError:
                return None
            kilobytes += sum(int(line.split()[1]) for line in text.splitlines()
                             if line.startswith("Pss:"))  # fmt: skip
    return round(kilobytes / 1024, 1)


def own_memory_mb() -> float:
    """The most that this process, which holds the verdicts, has had resident."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {"processor": names[0] if names else platform.machine(), "cores": CORES,
            "kernel": platform.release(), "python": platform.python_version()}  # fmt: skip
