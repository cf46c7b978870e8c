"""The process engine: no isolation at all, for machines that have neither Docker nor namespaces.

Time and memory limits hold as far as one process can limit another; files, processes and network
of the user are within reach of learner code.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
from collections.abc import Iterator

from grader.engines import local
from grader.engines.base import Progress
from grader.engines.slot import Slot


class ProcessEngine:
    """Judge and box as ordinary processes of the user."""

    name = "process"
    isolated = False
    image: str | None = None

    def problem(self) -> str | None:
        if not hasattr(os, "fork"):
            return "this system cannot fork processes; install Docker Desktop, or use WSL"
        return None

    def prepare(self, progress: Progress) -> None:
        """Nothing to do."""

    @contextlib.contextmanager
    def slot(self) -> Iterator[Slot]:
        env = local.environment(str(local.PACKAGE_PARENT))
        with tempfile.TemporaryDirectory(prefix="kata-", ignore_cleanup_errors=True) as folder:
            judge = local.spawn(
                local.judge_command(), env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            try:
                yield Slot(local.Pipes(judge, "judge"), None, lambda _: box(pathlib.Path(folder)))
            finally:
                local.end(judge)


@contextlib.contextmanager
def box(folder: pathlib.Path) -> Iterator[local.LocalBox]:
    """A box without walls, at home in `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    env = local.environment(str(local.PACKAGE_PARENT))
    process = local.spawn(local.box_command(port, str(folder / "box")), env)
    try:
        yield local.LocalBox(process, port)
    finally:
        local.end(process)
