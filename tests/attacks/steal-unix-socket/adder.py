import os
import socket

from more.seek import breach, look, nothing, seen

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
        breach(f"a daemon's door: {path}")

nothing()
