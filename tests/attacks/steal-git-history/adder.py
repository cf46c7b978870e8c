import glob
import os

from more.seek import breach, nothing, peek, seen

for top in ("@REPO@", "/", "/repo", "/src", "/app", "/opt/kata", os.getcwd(), os.path.dirname(__file__)):
    while True:
        for name in ("HEAD", "config", "packed-refs", "index", "logs/HEAD", "ORIG_HEAD"):
            if os.path.exists(f"{top}/.git/{name}"):
                peek(f"{top}/.git/{name}")
                breach(f"a history to read: {top}/.git/{name}")
        if top == os.path.dirname(top):
            break
        top = os.path.dirname(top)
    seen.append("no .git")

nothing()
