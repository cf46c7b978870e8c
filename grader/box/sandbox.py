"""A grading's own world: namespaces, a file system and a process tree that no other one touches.

Made by a process that was forked from the zygote, before there is any learner code in it.
"""

import contextlib
import os
import pathlib
import socket

from grader import kernel

#: Every kind of namespace but the network's, which is the judge's.
KINDS = kernel.NEW_MOUNT | kernel.NEW_PID | kernel.NEW_IPC | kernel.NEW_UTS
#: Of the outer root these are made anew, in the grading's own shape.
_MADE_ANEW = ("dev", "proc", "sys", "tmp")
DEVICES = ("null", "zero", "full", "random", "urandom")
#: The kernel's memory, keys, timers and the like: as Docker does, and some more.
MASKED = ("kcore", "keys", "latency_stats", "timer_list", "sched_debug", "kallsyms", "kmsg",
           "interrupts")  # fmt: skip
_MASKED_FOLDERS = ("acpi", "scsi", "driver", "fs", "bus", "irq")
SHARED_MEMORY_MB = 16
MAX_INODES = 20_000
_QUIET = kernel.NO_SETUID | kernel.NO_DEVICES
_STAGE = "/tmp"


def enter(user: int, network: int) -> None:
    """Leaves the zygote's namespaces for the judge's network and new ones of every other kind.

    `user` and `network` are descriptors, as from `kernel.network_of_this_process`. The next process
    that is forked is the first of its own tree.
    """
    kernel.join_network(user, network)
    kernel.new_namespaces(KINDS)


def furnish(disk_mb: int) -> None:
    """In the first process of the tree: a root of its own, then no rights to change it."""
    socket.sethostname("kata")
    kernel.mount("none", "/", "", kernel.PRIVATE | kernel.RECURSIVE)
    tops = [entry for entry in os.scandir("/") if entry.name not in _MADE_ANEW]
    kernel.mount("tmpfs", _STAGE, "tmpfs", _QUIET, "size=1m,mode=755")
    for top in tops:
        target = f"{_STAGE}/{top.name}"
        if top.is_symlink():
            os.symlink(os.readlink(top.path), target)
        elif top.is_dir():
            os.mkdir(target)
            kernel.mount(top.path, target, "", kernel.BIND | kernel.RECURSIVE)
    _make_proc(f"{_STAGE}/proc")
    _make_devices(f"{_STAGE}/dev")
    os.mkdir(f"{_STAGE}/tmp")
    kernel.mount("tmpfs", f"{_STAGE}/tmp", "tmpfs", _QUIET,
                 f"size={disk_mb}m,nr_inodes={MAX_INODES},mode=1777")  # fmt: skip
    for events in filter(os.path.exists, kernel.MEMORY_EVENTS):
        _bind_file(events, f"{_STAGE}{events}")
    kernel.mount("none", _STAGE, "", kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | _QUIET)
    kernel.pivot(_STAGE)
    kernel.drop_capabilities()


def _make_proc(folder: str) -> None:
    os.mkdir(folder)
    quiet = _QUIET | kernel.NO_EXEC
    kernel.mount("proc", folder, "proc", quiet)
    for name in MASKED:
        with contextlib.suppress(FileNotFoundError):
            kernel.mount("/dev/null", f"{folder}/{name}", "", kernel.BIND)
    for name in _MASKED_FOLDERS:
        with contextlib.suppress(FileNotFoundError):
            kernel.mount("tmpfs", f"{folder}/{name}", "tmpfs", quiet | kernel.READ_ONLY, "size=0")
    for name in ("sys", "sysrq-trigger"):
        path = f"{folder}/{name}"
        with contextlib.suppress(FileNotFoundError):
            kernel.mount(path, path, "", kernel.BIND)
            kernel.mount("none", path, "",
                         kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | quiet)  # fmt: skip


def _make_devices(folder: str) -> None:
    os.mkdir(folder)
    kernel.mount("tmpfs", folder, "tmpfs", _QUIET | kernel.NO_EXEC, "size=64k,mode=755")
    for name in DEVICES:
        _bind_file(f"/dev/{name}", f"{folder}/{name}")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"{folder}/{name}")
    os.mkdir(f"{folder}/shm")
    kernel.mount("tmpfs", f"{folder}/shm", "tmpfs", _QUIET,
                 f"size={SHARED_MEMORY_MB}m,nr_inodes={MAX_INODES},mode=1777")  # fmt: skip
    kernel.mount("none", folder, "", kernel.REMOUNT | kernel.BIND | kernel.READ_ONLY | _QUIET)


def _bind_file(source: str, target: str) -> None:
    pathlib.Path(target).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(target).touch()
    kernel.mount(source, target, "", kernel.BIND)
