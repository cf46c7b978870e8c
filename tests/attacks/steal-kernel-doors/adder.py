import ctypes
import errno
import os

from more.seek import breach, nothing, number, seen

#: Numbers on x86-64 and on arm64. The arguments are such that no call could do any harm with them.
DOORS = {
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "kexec_load": (246, 104), "kcmp": (312, 272),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "quotactl": (179, 60),
    "acct": (163, 89), "syslog": (103, 116), "mount_setattr": (442, 442), "fsopen": (430, 430),
    "ptrace": (101, 117), "memfd_secret": (447, 447), "landlock_create_ruleset": (444, 444),
}  # fmt: skip
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(256)
for name, numbers in DOORS.items():
    got = libc.syscall(number(*numbers), *map(ctypes.c_long, (-1, ctypes.addressof(buffer), -1, -1, -1)))
    error = ctypes.get_errno()
    if got != -1 or error not in (errno.EPERM, errno.ENOSYS):
        breach(f"{name} was let in: {got}, {os.strerror(error)}")
    seen.append(f"{name} {os.strerror(error)}")

nothing()
