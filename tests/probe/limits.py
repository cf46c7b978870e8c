"""Submitted before any attack: raises the names of those limits that are not in force."""

import os
import resource


def add(a, b):
    with open("/proc/self/status") as lines:
        status = dict(line.split(":", 1) for line in lines)
    with open("/proc/net/dev") as lines:
        interfaces = [line.partition(":")[0].strip() for line in lines if ":" in line]
    disk = os.statvfs(os.getcwd())
    in_force = {
        "no root": 0 not in (os.getuid(), os.getgid()),
        "no capabilities": int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0,
        "no new privileges": status["NoNewPrivs"].strip() == "1",
        "no needless system calls": status["Seccomp"].strip() == "2",
        "no network": interfaces == ["lo"],
        "a small disk": disk.f_blocks * disk.f_frsize <= 64 << 20,
        "a read-only system": not any(os.access(top, os.W_OK) for top in ("/", "/usr", "/etc")),
        "few processes": is_set("NPROC") or any(map(is_number, PIDS)),
        **{name: is_set(name) for name in ("CORE", "CPU", "DATA", "FSIZE", "NOFILE")},
    }
    raise RuntimeError(f"not in force: {[name for name, yes in in_force.items() if not yes]}")


PIDS = ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max")


def is_set(name):
    return resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] != resource.RLIM_INFINITY


def is_number(path):
    try:
        with open(path) as limit:
            return limit.read().strip().isdigit()
    except OSError:
        return False
