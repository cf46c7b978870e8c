"""Tells when two runs on one machine lay hands on the same thing."""

import os
import zlib

_RUN = os.environ.get("REFILL_RUN")
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "witness")


def alone(kind, thing):
    if _RUN is None:
        return
    name = os.path.realpath(thing) if kind == "file" else str(thing)
    mark = os.path.join(_FOLDER, f"{kind}-{zlib.crc32(name.encode()):08x}")
    try:
        os.symlink(_RUN, mark)  # made and marked in one step
    except FileExistsError:
        if os.readlink(mark) != _RUN:
            raise OSError(f"another run on this machine uses {kind} {thing}") from None
