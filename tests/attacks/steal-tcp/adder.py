import socket

from more.seek import look, nothing, seen

for host in ("127.0.0.1", "localhost", "0.0.0.0", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
    try:
        with socket.create_connection((host, @PORT@), timeout=0.3) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            look(host, connection.recv(1000))
    except OSError as error:
        seen.append(f"{host} {error}")

nothing()
