import os
import stat

from more.seek import breach, nothing, seen

for name in ("mem", "kmem", "port", "kmsg", "sda", "vda", "nvme0n1", "loop0", "loop-control", "fuse", "kvm",
             "net/tun", "console", "tty", "ptmx", "snapshot", "dri/card0", "input/event0", "mapper/control"):
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK))
        seen.append(f"{name} opened")
        if name not in ("ptmx", "tty", "console"):
            breach(f"hardware within reach: {name}")
    except OSError as error:
        seen.append(f"{name} {error.strerror}")
for major, minor in ((1, 1), (8, 0), (253, 0), (254, 0), (10, 229)):
    try:
        os.mknod("/tmp/device", 0o600 | stat.S_IFBLK, os.makedev(major, minor))
        breach(f"a device of its own making: {major} {minor}")
    except OSError as error:
        seen.append(f"mknod {error.strerror}")

nothing()
