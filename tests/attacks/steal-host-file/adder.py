import glob

from more.seek import nothing, peek, seen

for prefix in ("", *glob.glob("/proc/*/root"), *glob.glob("/proc/*/cwd"), "/proc/1/root/proc/1/root", "/host", "/mnt"):
    peek(prefix + "@FILE@")
for up in range(2, 12):
    peek("../" * up + "@FILE@".lstrip("/"))

nothing()
