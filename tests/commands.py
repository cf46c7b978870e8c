"""The `kata` command and git, as a person or a script starts them."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest

from grader.catalog import Kata
from tests.conftest import ROOT

KATA = [sys.executable, "-c", "import grader.cli; grader.cli.main()"]
#: The engine that works on every machine; what engines do is tested elsewhere.
PLAIN = ["--engine", "process"]
#: As in a shell that finds the command: messages name it, and else its path.
PATH = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])


def kata(folder: pathlib.Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "PATH": PATH, **env}
    return subprocess.run(
        [*KATA, *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8",
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def on_terminal(folder: pathlib.Path, *arguments: str, columns: int, lines: int) -> str:
    """All that `kata` shows on a terminal of this size, each run of white space as one space."""
    pty = pytest.importorskip("pty")
    import struct
    import termios
    from fcntl import ioctl

    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [*KATA, *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
        env={**env, "PATH": PATH, "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # how Linux tells that the other side has gone
        while part := os.read(ours, 4096):
            said += part
    process.wait()
    os.close(ours)
    return " ".join(said.decode().split())


def solve(toy: Kata) -> None:
    shutil.copy(toy.solutions / "reference/adder.py", toy.folder / "adder.py")


def solve_by_half(toy: Kata) -> None:
    """Two behaviours of three hold, three points of four: the total is not kept."""
    right = (toy.solutions / "reference/adder.py").read_text()
    (toy.folder / "adder.py").write_text(right.replace("self.value = add(self.value, n)", "pass"))


def root_of(toy: Kata) -> pathlib.Path:
    """The repository that a toy kata stands in."""
    return toy.folder.parents[2]


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")


def git(folder: pathlib.Path, *arguments: str) -> str:
    """What git prints, with nobody's settings but its defaults."""
    environment = {
        **os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "learner", "GIT_AUTHOR_EMAIL": "learner@example.com",
        "GIT_COMMITTER_NAME": "learner", "GIT_COMMITTER_EMAIL": "learner@example.com",
    }  # fmt: skip
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done
    return done.stdout


def under_git(toy: Kata) -> None:
    """Makes the toy's repository one of git's as well, with the project's own settings."""
    root = root_of(toy)
    for name in (".gitignore", ".gitattributes"):
        shutil.copy(ROOT / name, root / name)
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "The katas")
