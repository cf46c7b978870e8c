import glob
import os

from more.seek import breach, nothing, peek, seen

for top in ("@PLANTED@/toy", "@PLANTED@/repo", *(os.getcwd() + "/.." * n for n in range(1, 5))):
    for pattern in ("solutions/*/*/*/*.py", "katas/*/*/*", "*.md"):
        for path in glob.glob(os.path.join(top, pattern))[:200]:
            peek(path)
for folder in ("@REPO@/solutions", "@REPO@/tests"):
    if os.path.isdir(folder):
        breach(f"{folder} is in sight")
    seen.append(f"no {folder}")

nothing()
