"""What the machine holds that a grading may have left."""

import contextlib
import os
import pathlib
import subprocess
import time
from collections.abc import Callable

from grader.engines import docker


def offspring(pid: int) -> set[int]:
    """Processes below `pid`: other graders may be at work here, and do not count.

    Nor does the browser of other tests, which comes and goes as it likes.
    """
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = pathlib.Path("/proc", name, "stat").read_text()
            program, _, rest = stat.partition("(")[2].rpartition(")")
            if not program.startswith("chrom"):
                parents[int(name)] = int(rest.split()[1])
    found, waiting = set(), {pid}
    while waiting:
        waiting = {child for child, parent in parents.items() if parent in waiting} - found
        found |= waiting
    return found


def docker_holds(owner: int) -> set[str]:
    """Containers of one grader, and all volumes and networks."""
    commands = (
        ["ps", "--all", "--format", "{{.ID}}", "--filter",
         f"label=ai-engineer-katas.owner={docker.owner_of(owner)}"],
        ["volume", "ls", "--format", "{{.Name}}"],
        ["network", "ls", "--format", "{{.Name}}"],
    )  # fmt: skip
    listed = [subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
              for words in commands]  # fmt: skip
    return {line for each in listed for line in each.stdout.splitlines()}


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True
