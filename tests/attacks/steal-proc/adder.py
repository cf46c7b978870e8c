import glob
import os

from more.seek import look, nothing, peek, seen

for pid in ("self", *filter(str.isdigit, os.listdir("/proc"))):
    for name in ("cmdline", "comm", "maps", "status", "stack", "syscall", "wchan", "mountinfo", "cgroup",
                 "limits", "io", "stat", "auxv", "oom_score_adj", "net/tcp", "net/unix"):
        peek(f"/proc/{pid}/{name}")
    for link in glob.glob(f"/proc/{pid}/fd/*") + [f"/proc/{pid}/cwd", f"/proc/{pid}/exe"]:
        try:
            look(link, os.readlink(link).encode())
        except OSError as error:
            seen.append(f"{link} {error.strerror}")
for name in ("cmdline", "config.gz", "keys", "kcore", "kallsyms", "kmsg", "mounts", "sched_debug", "timer_list", "sysvipc/shm", "self/mounts"):
    peek(f"/proc/{name}", 65536)

nothing()
