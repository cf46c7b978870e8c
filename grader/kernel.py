"""What judge and box ask of the Linux kernel: privileges, namespaces, mounts.

The functions of namespaces and mounts raise `OSError`; they exist on Linux alone. (Python's own
`os.unshare` and `os.setns` came with 3.12.)
"""

import contextlib
import ctypes
import os
import pathlib
import socket
import struct
import sys
from collections.abc import Iterator

#: Kinds of namespaces (linux/sched.h).
NEW_MOUNT, NEW_UTS, NEW_IPC, NEW_PID = 0x00020000, 0x04000000, 0x08000000, 0x20000000
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
#: Flags of `mount` (linux/mount.h).
READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
#: Where a control group tells of its kills: version 2, version 1.
MEMORY_EVENTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_DETACH = 2
_SET_DUMPABLE, _CAPBSET_DROP, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVILEGES = 4, 24, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def oom_kills() -> int:
    """How often the kernel has killed for memory in this control group, where that can be read."""
    for path in MEMORY_EVENTS:
        with contextlib.suppress(OSError, ValueError):
            for line in pathlib.Path(path).read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.removeprefix("oom_kill "))
    return 0


def data_bytes() -> int:
    """What this process holds already, by RLIMIT_DATA's way of counting."""
    with contextlib.suppress(OSError, ValueError):
        for line in pathlib.Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def usage_of_tree(pid: int) -> tuple[float, float, int]:
    """CPU seconds, proportional memory in MB and count of a process and its offspring, by /proc.

    Memory that nobody else may look into is left out: it is a supervisor's own.
    """
    ticks = os.sysconf("SC_CLK_TCK")
    cpu = memory = 0.0
    count = 0
    for each in tree(pid):
        with contextlib.suppress(OSError, ValueError):
            fields = _read(f"/proc/{each}/stat").rpartition(")")[2].split()
            cpu += sum(int(field) for field in fields[11:15]) / ticks
            count += 1
            for line in _read(f"/proc/{each}/smaps_rollup").splitlines():
                if line.startswith("Pss:"):
                    memory += int(line.split()[1]) / 1024
    return round(cpu, 2), round(memory, 1), count


def tree(pid: int) -> Iterator[int]:
    """A process and its offspring, as far as /proc tells."""
    waiting = [pid]
    while waiting:
        yield (pid := waiting.pop())
        with contextlib.suppress(OSError, ValueError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                children = _read(f"/proc/{pid}/task/{thread}/children").split()
                waiting.extend(int(child) for child in children)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


# --- privileges ---------------------------------------------------------------------------------


def _prctl(option: int, value: int) -> int:
    if sys.platform != "linux":
        return 0
    result: int = ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    return result


def set_dumpable(on: bool) -> None:
    """A process that is not dumpable keeps its memory and descriptors from its own user, too."""
    _prctl(_SET_DUMPABLE, int(on))


def no_new_privileges() -> None:
    """From here on no program that is executed can have more rights."""
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)


def adopt_orphans() -> None:
    """Processes below this one become its children when their parents end."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def drop_capabilities() -> None:
    """Gives up what a process may do in a user namespace that it has just made or entered."""
    number = 0
    while _prctl(_CAPBSET_DROP, number) == 0:
        number += 1
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(_libc().capset(header, bytes(24)))


# --- namespaces and mounts ------------------------------------------------------------------------


def new_namespaces(kinds: int) -> None:
    """New namespaces for this process (of PIDs: for its children), owned by a new one of users.

    User and group are themselves there, nobody else is. The process may have one thread only.
    """
    user, group = os.getuid(), os.getgid()
    _check(_libc().unshare(_NEW_USER | kinds))
    for name, text in (
        ("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")
    ):  # fmt: skip
        pathlib.Path("/proc/self", name).write_text(text)


def network_of_this_process() -> list[int]:
    """Descriptors for `join_network`: the namespace of users that owns the network, and its own."""
    return [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("user", "net")]


def join_network(user: int, network: int) -> None:
    """Joins the network of another process of the same user, by its two descriptors."""
    _check(_libc().setns(user, _NEW_USER))
    _check(_libc().setns(network, _NEW_NETWORK))


def new_network() -> None:
    """A network namespace of this process's own, where there is a loopback and nothing else."""
    import fcntl  # Windows has none, and imports this module, too

    new_namespaces(_NEW_NETWORK)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    _check(_libc().mount(*(text.encode() for text in (source, target, kind)),
                         ctypes.c_ulong(flags), options.encode()))  # fmt: skip


def pivot(root: str) -> None:
    """Makes `root`, a mount of its own, the root; what was there before is out of reach."""
    os.chdir(root)
    libc = _libc()
    _check(libc.syscall(_SYS_PIVOT_ROOT[os.uname().machine], b".", b"."))
    _check(libc.umount2(b".", _DETACH))
    os.chdir("/")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
