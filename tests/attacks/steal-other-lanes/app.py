"""A service that tells its name to all who might be in another box, and looks for theirs."""

import ctypes
import os
import pathlib
import socket
import threading

from fastapi import FastAPI

ME = os.readlink("/proc/self/ns/mnt").encode()
SHARED, NEIGHBOURS = 0x6B617462, range(20000, 20008)
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p


def met(whom, how):
    if whom and whom != ME:
        raise RuntimeError(f"BREACH: {whom.decode()} by {how}")


def ask(family, address):
    try:
        with socket.socket(family) as connection:
            connection.settimeout(0.2)
            connection.connect(address)
            met(connection.recv(100), address)
    except OSError:
        pass


def tell(family, address):
    listener = socket.socket(family)
    try:
        listener.bind(address)
    except OSError:
        return
    listener.listen()

    def serve():
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(ME)

    threading.Thread(target=serve, daemon=True).start()


for place in map(pathlib.Path, ("/tmp/lane", "/dev/shm/lane", "/var/tmp/lane", "/run/lane")):
    try:
        met(place.exists() and place.read_bytes(), place)
        place.write_bytes(ME)
    except OSError:
        pass
segment = libc.shmget(SHARED, 4096, 0o1600)
if segment >= 0:
    shared = libc.shmat(segment, None, 0)
    met(ctypes.string_at(shared), "shared memory")
    ctypes.memmove(shared, ME, len(ME))
for family, addresses in ((socket.AF_UNIX, ["\0lane"]), (socket.AF_INET, [("127.0.0.1", port) for port in NEIGHBOURS])):
    for address in addresses:
        ask(family, address)
        tell(family, address)

app = FastAPI()


@app.post("/ask")
async def answer() -> dict:
    # Meanwhile others have begun.
    try:
        for port in NEIGHBOURS:
            ask(socket.AF_INET, ("127.0.0.1", port))
        ask(socket.AF_UNIX, "\0lane")
    except RuntimeError as breach:
        return {"answer": str(breach), "source": str(breach)}
    return {"answer": ME.decode(), "source": "primary"}
