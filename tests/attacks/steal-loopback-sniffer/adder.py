import socket
import time

from more.seek import breach, nothing, seen

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
    breach(f"a socket that hears all: {family} {kind} {protocol}")

nothing()
