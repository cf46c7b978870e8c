import re

seen = []


def look(where, content):
    """Raises what it is after, with its surroundings; else notes how much there was to see."""
    found = re.search(rb"CANARY[0-9a-f]{16}[-a-z]*", content)
    if found:
        raise RuntimeError(f"{where}: {content[max(0, found.start() - 200) : found.end() + 200]!r}")
    seen.append(f"{where} {len(content)}")


def peek(path, most=1 << 20):
    try:
        with open(path, "rb", buffering=0) as stream:
            look(path, stream.read(most) or b"")
    except OSError as error:
        seen.append(f"{path} {error.strerror}")


import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


buffer = ctypes.create_string_buffer(4096)
here = id(seen)
for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
    if pid == os.getpid():
        continue
    for name in ("mem", "maps", "pagemap", "map_files", "smaps"):
        peek(f"/proc/{pid}/{name}", 4096)
    got = libc.process_vm_readv(pid, ctypes.byref(Part(ctypes.addressof(buffer), 4096)), 1,
                                ctypes.byref(Part(here, 4096)), 1, 0)
    seen.append(f"process_vm_readv {pid} {got} {os.strerror(ctypes.get_errno())}")
    if got > 0:
        os._exit(9)  # somebody else's memory: the declared causes do not have this
    for request in (16, 0x4206):  # attach, seize
        if libc.ptrace(request, pid, None, None) == 0:
            os._exit(9)
        seen.append(f"ptrace {request} {pid} {os.strerror(ctypes.get_errno())}")

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
