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


import glob

for prefix in ("", *glob.glob("/proc/*/root"), *glob.glob("/proc/*/cwd"), "/proc/1/root/proc/1/root", "/host", "/mnt"):
    peek(prefix + "@FILE@")
for up in range(2, 12):
    peek("../" * up + "@FILE@".lstrip("/"))

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
