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
for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
    if pid == os.getpid():
        continue
    pidfd = libc.syscall(434, pid, 0)
    if pidfd < 0:
        seen.append(f"pidfd_open {pid} {os.strerror(ctypes.get_errno())}")
        continue
    for number in range(12):
        copy = libc.syscall(438, pidfd, number, 0)
        if copy < 0:
            seen.append(f"{pid}/{number} {os.strerror(ctypes.get_errno())}")
        else:
            os._exit(9)  # a descriptor of somebody else's: the declared causes do not have this

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
