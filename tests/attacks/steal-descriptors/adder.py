import glob
import os
import socket

from more.seek import breach, look, nothing, seen

for descriptor in range(256):
    try:
        status = os.fstat(descriptor)
    except OSError:
        continue
    seen.append(f"{descriptor} {oct(status.st_mode)}")
    if descriptor > 3:
        breach(f"descriptor {descriptor} was left open: {oct(status.st_mode)}")
    try:
        os.set_blocking(descriptor, False)
        look(str(descriptor), os.read(descriptor, 65536))
    except OSError as error:
        seen.append(f"{descriptor} {error.strerror}")
    finally:
        os.set_blocking(descriptor, True)
for path in glob.glob("/proc/[0-9]*/fd/*"):
    if path.split("/")[2] != str(os.getpid()):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            look(path, os.read(descriptor, 65536))
        except OSError as error:
            seen.append(f"{path} {error.strerror}")

nothing()
