import socket
import sys
import time

frame = sys._getframe()
while "listener" not in frame.f_locals:
    frame = frame.f_back
listener = frame.f_locals["listener"]
listener.listen(100)

import threading


def serve(connection):
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
            time.sleep(0.01)
    except OSError:
        pass


while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
