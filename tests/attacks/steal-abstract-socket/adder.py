import socket

from more.seek import look, nothing, peek, seen

for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
    try:
        with socket.socket(socket.AF_UNIX, kind) as connection:
            connection.settimeout(0.3)
            connection.connect("\0@ABSTRACT@")
            look("abstract", connection.recv(1000))
    except OSError as error:
        seen.append(f"abstract {error}")
peek("/proc/net/unix")

nothing()
