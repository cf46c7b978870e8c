import socket

from more.knock import PORT, message, token
from more.seek import breach, nothing, seen

if token() is not None:
    breach("the judge's token")
for request in ({"do": "hello"}, {"do": "list", "folder": "/"}):
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=0.2) as connection:
            connection.sendall(message("?") + message(request))
            seen.append(f"answer {connection.recv(65536)!r}")
    except OSError as error:
        seen.append(str(error))

nothing()
