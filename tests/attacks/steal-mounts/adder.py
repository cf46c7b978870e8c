import ctypes
import os

from more.seek import breach, look, nothing, peek, seen

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
        breach(f"mounted: {kind}")
    seen.append(f"mount {kind} {os.strerror(ctypes.get_errno())}")

nothing()
