import ctypes
import glob
import os

from more.seek import breach, nothing, peek, seen

libc = ctypes.CDLL(None, use_errno=True)
KINDS = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000, "ipc": 0x8000000}


def call(what, got):
    if got != -1:
        breach(what)
    seen.append(f"{what} {os.strerror(ctypes.get_errno())}")


for path in glob.glob("/proc/[0-9]*/ns/*"):
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        seen.append(f"{path} {error.strerror}")
        continue
    call(f"setns {path}", libc.setns(descriptor, 0))
    os.close(descriptor)
for name, flag in KINDS.items():
    call(f"unshare {name}", libc.unshare(flag))
call("chroot", libc.chroot(b"/proc/1/root"))
peek("@FILE@")

nothing()
