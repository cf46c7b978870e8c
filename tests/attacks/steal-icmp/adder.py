import socket

from more.seek import breach, look, nothing, seen

PING = b"\x08\x00\xf7\xff\x00\x00\x00\x00"
for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM):
    try:
        with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as connection:
            if kind == socket.SOCK_RAW:
                breach("a raw socket could be opened")
            connection.settimeout(0.2)
            connection.sendto(PING, ("127.0.0.1", 0))
            look(f"icmp {kind}", connection.recv(1000))
    except OSError as error:
        seen.append(f"icmp {kind} {error}")

nothing()
