import ctypes
import os

from more.seek import breach, nothing, seen

libc = ctypes.CDLL(None, use_errno=True)
for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
    if pid == os.getpid():
        continue
    pidfd = libc.syscall(434, pid, 0)
    if pidfd < 0:
        seen.append(f"pidfd_open {pid} {os.strerror(ctypes.get_errno())}")
        continue
    for number in range(12):
        copy = libc.syscall(438, pidfd, number, 0)
        if copy < 0:
            seen.append(f"{pid}/{number} {os.strerror(ctypes.get_errno())}")
        else:
            breach(f"descriptor {number} of process {pid}")

nothing()
