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
import glob
import os

libc = ctypes.CDLL(None, use_errno=True)
for path in glob.glob("/proc/[0-9]*/ns/*"):
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        seen.append(f"{path} {error.strerror}")
        continue
    libc.setns(descriptor, 0)
    os.close(descriptor)
for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("net", 0x40000000), ("pid", 0x20000000), ("ipc", 0x8000000)):
    got = libc.unshare(flag)
    seen.append(f"unshare {name} {got and os.strerror(ctypes.get_errno())}")
libc.chroot(b"/proc/1/root")
peek("@FILE@")

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
