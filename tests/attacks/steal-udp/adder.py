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


import socket

for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.settimeout(0.3)
            connection.sendto(b"?", (host, @UDP_PORT@))
            look(host, connection.recv(1000))
    except OSError as error:
        seen.append(f"{host} {error}")

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
