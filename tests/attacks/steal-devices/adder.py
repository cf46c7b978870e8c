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


import os
import stat

for name in ("mem", "kmem", "port", "kmsg", "sda", "vda", "nvme0n1", "loop0", "loop-control", "fuse", "kvm",
             "net/tun", "console", "tty", "ptmx", "snapshot", "dri/card0", "input/event0", "mapper/control"):
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK))
        seen.append(f"{name} opened")
        if name not in ("ptmx", "tty", "console"):
            os._exit(9)  # hardware within reach: the declared causes do not have this
    except OSError as error:
        seen.append(f"{name} {error.strerror}")
for major, minor in ((1, 1), (8, 0), (253, 0), (254, 0), (10, 229)):
    try:
        os.mknod("/tmp/device", 0o600 | stat.S_IFBLK, os.makedev(major, minor))
        os._exit(9)
    except OSError as error:
        seen.append(f"mknod {error.strerror}")

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
