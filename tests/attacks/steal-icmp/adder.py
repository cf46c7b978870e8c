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

PING = b"\x08\x00\xf7\xff\x00\x00\x00\x00"
for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
    try:
        with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as connection:
            connection.settimeout(0.2)
            connection.sendto(PING, ("127.0.0.1", 0))
            look(f"icmp {kind}", connection.recv(1000))
    except OSError as error:
        seen.append(f"icmp {kind} {error}")

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
