import ctypes
import os

from more.seek import breach, nothing, peek, seen

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
        if pid == 1 and os.access(f"/proc/1/{name}", os.R_OK) and not seen[-1].endswith("denied"):
            breach(f"the supervisor's {name}: {seen[-1]}")
    got = libc.process_vm_readv(pid, ctypes.byref(Part(ctypes.addressof(buffer), 4096)), 1,
                                ctypes.byref(Part(here, 4096)), 1, 0)
    seen.append(f"process_vm_readv {pid} {got} {os.strerror(ctypes.get_errno())}")
    if got > 0:
        breach(f"the memory of process {pid}")
    for request in (16, 0x4206):  # attach, seize
        if libc.ptrace(request, pid, None, None) == 0:
            breach(f"ptrace of process {pid}")
        seen.append(f"ptrace {request} {pid} {os.strerror(ctypes.get_errno())}")

nothing()
