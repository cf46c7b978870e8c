import socket

from more.seek import breach, look, nothing, seen

ports = set()
for path in ("/proc/net/tcp", "/proc/net/tcp6", "/proc/self/net/tcp"):
    try:
        with open(path) as table:
            for line in table.readlines()[1:]:
                if line.split()[3] == "0A":
                    ports.add(int(line.split()[1].rpartition(":")[2], 16))
    except OSError as error:
        seen.append(f"{path} {error.strerror}")
for port in sorted(ports | {4711})[:20]:
    for request in (b"", b"GET /hidden HTTP/1.0\r\n\r\n", b"\0\0\0\x06\xa5hello", b"\0\0\0\x01\xc0"):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.1) as connection:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                told = connection.recv(65536)
                look(f"{port} {request!r}", told)
                if told:
                    breach(f"port {port} answers strangers: {told[:50]!r}")
        except OSError as error:
            seen.append(f"{port} {error}")

nothing()
