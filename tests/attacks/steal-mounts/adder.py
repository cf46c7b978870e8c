import re

seen = []


def look(where, content):
    """Raises what it is after, with its surroundings; else notes how much there was to see."""
    found = re.search(rb"CANARY[0-9a-f]{16}[-a-z]*", content)
    if found:
        raise RuntimeError(f"{where}: {content[max(0, found.start() - 200) : found.end() + 200]!r}")
    seen.append(f"{where} {len(content)}")


def peek(path, most=1 << 20):
    try:
        with open(path, "rb", buffering=0) as stream:
            look(path, stream.read(most) or b"")
    except OSError as error:
        seen.append(f"{path} {error.strerror}")


import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
with open("/proc/self/mountinfo", "rb") as table:
    mounts = table.read()
look("mountinfo", mounts)
for line in mounts.decode().splitlines():
    point = line.split()[4]
    try:
        if os.path.isdir(point):
            look(point, " ".join(os.listdir(point)[:200]).encode())
        else:
            peek(point, 4096)
    except OSError as error:
        seen.append(f"{point} {error.strerror}")
for source, target, kind, flags in (
    (b"none", b"/tmp", b"tmpfs", 0),
    (b"/", b"/tmp", b"", 4096),  # bind
    (b"none", b"/", b"", 32 | 4096),  # remount, writable
    (b"proc", b"/tmp", b"proc", 0),
    (b"none", b"/tmp", b"cgroup", 0),
):
    if libc.mount(source, target, kind, flags, None) == 0:
        os._exit(9)  # mounted: the declared causes do not have this
    seen.append(f"mount {kind} {os.strerror(ctypes.get_errno())}")

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
