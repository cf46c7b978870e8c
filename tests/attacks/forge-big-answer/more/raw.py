import os
import socket
import struct

import msgpack


def connection():
    """The judge's connection, as this process inherited it."""
    return socket.socket(fileno=os.dup(3))


def raw(data):
    with connection() as judge:
        judge.settimeout(2)
        judge.sendall(struct.pack(">I", len(data)) + data)


def say(value):
    raw(msgpack.packb(value))


def asked():
    """The number of the question that is being answered, from the frame that asks."""
    import sys

    frame = sys._getframe()
    while frame is not None:
        if "request" in frame.f_locals and "answer" in frame.f_locals:
            return frame.f_locals["request"]["id"]
        frame = frame.f_back
    return 1
