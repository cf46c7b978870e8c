"""A PostgreSQL server for one test run, in a temporary folder and reached by a socket only."""

import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest

#: Debian keeps the server's programs off PATH.
_PLACES = [*map(str, sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]


def program(name: str) -> str:
    """Path of a server program. Skips where there is none, unless KATA_REQUIRE_POSTGRES is set."""
    found = shutil.which(name, path=os.pathsep.join([*_PLACES, os.environ["PATH"]]))
    if found is None:
        if os.environ.get("KATA_REQUIRE_POSTGRES"):
            pytest.fail(f"PostgreSQL is required, but there is no {name}")
        pytest.skip(f"PostgreSQL would add this test; there is no {name} here")
    return found


class Server:
    """One server; `stop` and `start` are what a crash and its end look like."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        # The server refuses to be root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._run(program("initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "kata",
                  "-E", "UTF8", "--no-sync")  # fmt: skip

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, user=self._user, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
            encoding="utf-8", env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )  # fmt: skip
        assert done.returncode == 0, done

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self._run(program("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-o", options,
                  "-l", str(self.folder / "log"), "start")  # fmt: skip

    def stop(self) -> None:
        """At once, with every connection."""
        self._run(program("pg_ctl"), "-D", str(self.folder / "data"), "-w", "-m", "immediate",
                  "stop")  # fmt: skip

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"kata{time.monotonic_ns()}"
        self._run(program("createdb"), "-h", str(self.folder), "-U", "kata", name)
        return f"postgresql://kata@/{name}?host={self.folder}"


@contextlib.contextmanager
def server() -> Iterator[Server]:
    # A socket's path may have 107 bytes, which pytest's folders come near to.
    with tempfile.TemporaryDirectory(prefix="kata-pg-", ignore_cleanup_errors=True) as folder:
        running = Server(pathlib.Path(folder))
        running.start()
        try:
            yield running
        finally:
            with contextlib.suppress(AssertionError):
                running.stop()
