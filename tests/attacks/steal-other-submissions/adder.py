import ctypes
import glob
import os
import time

from more.seek import breach, look, nothing, peek, seen

end_at = time.monotonic() + 1
here = os.path.dirname(os.path.abspath(__file__))
for top in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/dev/mqueue"):
    for folder, _, names in os.walk(top):
        for name in names:
            if not folder.startswith(here):
                peek(os.path.join(folder, name), 65536)
for pid in filter(str.isdigit, os.listdir("/proc")):
    for path in glob.glob(f"/proc/{pid}/fd/*") + glob.glob(f"/proc/{pid}/cwd/*.py") + glob.glob(f"/proc/{pid}/root/tmp/*/*.py"):
        if os.path.isfile(path) and not os.path.realpath(path).startswith(here):
            peek(path, 65536)
libc = ctypes.CDLL(None)
for number in range(64):
    if libc.shmat(number, None, 0o10000) != -1:
        breach(f"shared memory {number}")
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in maps.read().splitlines():
        first, last = (int(part, 16) for part in line.split()[0].split("-"))
        if " rw" in line and last - first <= 1 << 26 and time.monotonic() < end_at:
            try:
                memory.seek(first)
                look(line, memory.read(last - first))
            except (OSError, ValueError, OverflowError):
                pass
seen[:] = [f"{len(seen)} places"]

nothing()
