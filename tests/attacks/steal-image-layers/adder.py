import glob
import os

from more.seek import breach, nothing, peek, seen

with open("/proc/self/mountinfo") as table:
    for line in table:
        for word in line.replace(",", " ").split():
            if word.startswith(("lowerdir=", "upperdir=", "workdir=")):
                for layer in word.partition("=")[2].split(":")[:20]:
                    seen.append(f"{layer} {os.path.exists(layer)}")
                    if os.path.exists(layer):
                        breach(f"a layer within reach: {layer}")
for pattern in ("/var/lib/docker/*", "/var/lib/containerd/*", "/.dockerenv", "/.dockerinit", "/Dockerfile",
                "/opt/kata/*", "/root/*", "/home/*/*", "/wheels/*", "/requirements*"):
    for path in glob.glob(pattern)[:50]:
        seen.append(path)
        if os.path.isfile(path):
            peek(path)
for path in ("/opt/kata/grader/judge", "/opt/kata/grader/cli", "/opt/kata/grader/engines"):
    seen.append(f"{path} {os.path.exists(path)}")

nothing()
