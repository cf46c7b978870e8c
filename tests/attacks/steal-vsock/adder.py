import socket

from more.seek import breach, nothing, peek, seen

try:
    with socket.socket(40, socket.SOCK_STREAM) as connection:
        breach("a vsock could be opened")
except OSError as error:
    seen.append(f"vsock {error}")
peek("/dev/vsock")

nothing()
