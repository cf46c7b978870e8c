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
import time

for family, kind, protocol in (
    (17, socket.SOCK_RAW, 0x0300),  # AF_PACKET, every protocol
    (17, socket.SOCK_DGRAM, 0x0300),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW),
    (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_TCP),
):
    try:
        sniffer = socket.socket(family, kind, protocol)
    except OSError as error:
        seen.append(f"{family} {kind} {protocol} {error.strerror}")
        continue
    import os

    os._exit(9)  # a raw socket: the declared causes do not have this

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
