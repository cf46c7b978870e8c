"""What the box asks of the kernel about itself."""

import contextlib
import ctypes
import pathlib
import sys

_SET_DUMPABLE, _SET_NO_NEW_PRIVILEGES = 4, 38


def oom_kills() -> int:
    """How often the kernel has killed for memory in this control group, where that can be read."""
    for path, key in (
        ("/sys/fs/cgroup/memory.events", "oom_kill "),
        ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill "),
    ):
        with contextlib.suppress(OSError, ValueError):
            for line in pathlib.Path(path).read_text().splitlines():
                if line.startswith(key):
                    return int(line.removeprefix(key))
    return 0


def data_bytes() -> int:
    """What this process holds already, by RLIMIT_DATA's way of counting."""
    with contextlib.suppress(OSError, ValueError):
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def set_dumpable(on: bool) -> None:
    """A process that is not dumpable keeps its memory and descriptors from its own user, too."""
    _prctl(_SET_DUMPABLE, int(on))


def no_new_privileges() -> None:
    """From here on no program that is executed can have more rights."""
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)
