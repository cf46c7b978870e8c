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
import socket

for path in ("@SOCKET@", "/proc/1/root@SOCKET@", "../../../../../..@SOCKET@"):
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(0.3)
            connection.connect(path)
            look(path, connection.recv(1000))
    except OSError as error:
        seen.append(f"{path} {error}")
for path in ("/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private", "/run/dbus/system_bus_socket"):
    if os.path.exists(path):
        os._exit(9)  # a daemon's door: the declared causes do not have this

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
