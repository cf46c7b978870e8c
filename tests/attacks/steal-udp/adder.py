import socket

from more.seek import look, nothing, seen

for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::ffff:127.0.0.1")):
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.settimeout(0.3)
            connection.sendto(b"?", (host, @UDP_PORT@))
            look(host, connection.recv(1000))
    except OSError as error:
        seen.append(f"{host} {error}")

nothing()
