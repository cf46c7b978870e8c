"""What this machine has for grading, and for each thing that it lacks the step that mends it.

Every check gets to its end, whatever else is broken: trouble within one is what it has found.
"""

import contextlib
import dataclasses
import datetime
import enum
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping

from grader.catalog import Catalog
from grader.cli import screen
from grader.engines import ENGINES
from grader.engines.base import locked
from grader.errors import GraderError

_MB = 1024**2
#: A grading's files are small; pip, pytest and Docker leave theirs beside them.
_NEEDED_DISK_MB = 500
#: What a judge and a box take with their warm interpreters, and then learner code.
_NEEDED_MEMORY_MB = 1024
_MAX_DRIFT_SECONDS = 5
#: A file of a clone may be a little ahead, on a disk that another machine writes to.
_MAX_AHEAD_SECONDS = 300
_WIDTH, _HEIGHT = 80, 24
#: What a terminal does that is asked politely; else its window is widened by hand.
_RESIZE = rf"printf '\033[8;{_HEIGHT};{_WIDTH}t'"
_OTHER_TMP = "mkdir -p ~/tmp && export TMPDIR=~/tmp"
_ANSWER_SECONDS = 5
_NAMED = 4


class State(enum.Enum):
    """What a check means for grading here."""

    GOOD = enum.auto()
    #: Something is missing, but katas can be graded.
    NOTE = enum.auto()
    BAD = enum.auto()


@dataclasses.dataclass(frozen=True)
class Check:
    """What was found, and what mends it: one command, or one step in words."""

    name: str
    state: State
    found: str
    mend: str | None = None


def examine(start: pathlib.Path) -> list[Check]:
    """All checks of this machine, and of the clone around `start`. Raises nothing."""
    root: pathlib.Path | None = None
    with contextlib.suppress(GraderError, OSError):
        root = Catalog.find(start).root
    looks: dict[str, Callable[[], Iterator[Check]]] = {
        "Python": _python,
        "katas": lambda: _katas(start),
        "libraries": lambda: _libraries(root),
        "engines": _engines,
        "image": _image,
        "disk": lambda: _disk(root),
        "memory": _memory,
        "clock": lambda: _clock(root),
        "terminal": _terminal,
    }
    checks: list[Check] = []
    for name, look in looks.items():
        try:
            checks += look()
        except Exception as error:
            # Whatever is broken here is what the doctor was called for.
            reason = str(error) or type(error).__name__
            found = f"could not be looked at: {reason}"
            checks.append(Check(name, State.NOTE, found, "please report it, with this line"))
    return checks


def _python() -> Iterator[Check]:
    """An older Python than we need gets no further than the noxfile, which says so."""
    yield Check("Python", State.GOOD, f"{platform.python_version()} ({sys.executable})")


def _katas(start: pathlib.Path) -> Iterator[Check]:
    try:
        catalog = Catalog.find(start)
        number = len(catalog.katas)
    except GraderError as error:
        wrong = re.match(r"(.+/kata\.toml)", str(error))
        mend = f"git checkout -- {wrong[1]}" if wrong else "git checkout -- katas"
        yield Check("katas", State.BAD, str(error), mend)
        return
    where = f"in {catalog.root}"
    if not number:
        yield Check("katas", State.BAD, f"there are none {where}", "git checkout -- katas")
    elif not (catalog.root / "solutions").is_dir():
        yield Check("katas", State.NOTE,
                    f"{number} {where}, without hidden tests: kata grade runs the visible tests",
                    "they are with your instructor; in a full clone: git checkout -- solutions",
                    )  # fmt: skip
    else:
        yield Check("katas", State.GOOD, f"{number} {where}")


def _libraries(root: pathlib.Path | None) -> Iterator[Check]:
    """Whether what is installed is what the lock file names."""
    if root is None:
        yield Check("libraries", State.NOTE, "without a clone there is no lock to compare with",
                    "cd to your clone, and ask again")  # fmt: skip
        return
    try:
        lock = locked(root / "requirements.lock")
    except (OSError, ValueError):
        yield Check("libraries", State.NOTE, "the requirements.lock of your clone cannot be read",
                    "git checkout -- requirements.lock")  # fmt: skip
        return
    pins = {name: version for name, (version, _) in lock.items()}
    installed = {name: _version(name) for name in pins}
    differing = [name for name, version in installed.items() if version != pins[name]]
    stamp = pathlib.Path(sys.prefix) / "kata.stamp"
    if not differing and (not stamp.is_file() or stamp.read_text() == _wanted_stamp(root)):
        yield Check("libraries", State.GOOD, f"{len(pins)}, as in requirements.lock")
        return
    if differing:
        named = ", ".join(f"{name} {installed[name] or 'missing'}" for name in differing[:_NAMED])
        more = f" and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
        found = f"not as in requirements.lock: {named}{more}"
    else:
        found = "made from an older requirements.lock or pyproject.toml"
    # What nox takes for finished it would leave as it is.
    finished = stamp.is_file() and stamp.read_text() == _wanted_stamp(root)
    yield Check("libraries", State.NOTE, found,
                "nox --reuse-venv never -s env" if finished else "nox -s env")  # fmt: skip


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _wanted_stamp(root: pathlib.Path) -> str:
    """What nox's session `env` leaves in the environment that it has finished."""
    files = (root / "requirements.lock", root / "pyproject.toml")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _engines() -> Iterator[Check]:
    """Each engine; only when none that isolates works is that bad."""
    found: dict[str, str | None] = {}
    for name, kind in ENGINES.items():
        try:
            found[name] = kind().problem()
        except Exception as error:
            found[name] = f"it broke when asked: {error}; please report it, with this line"
    if sys.platform != "linux":
        del found["bubblewrap"]  # no engine of this system's, so nothing is missing
    isolated = {name for name in found if ENGINES[name]().isolated}
    some = any(found[name] is None for name in isolated)
    for name, problem in found.items():
        if problem is None:
            works = "works" if name in isolated else "works, without isolation"
            yield Check(f"engine {name}", State.GOOD, works)
        else:
            what, _, mend = problem.rpartition("; ")
            state = State.BAD if name in isolated and not some else State.NOTE
            yield Check(f"engine {name}", state, what, mend.removeprefix("run: "))


def _image() -> Iterator[Check]:
    try:
        import docker  # only here, as below: it takes time

        from grader.engines import image

        client = docker.from_env(timeout=_ANSWER_SECONDS)
        client.ping()
    except Exception:
        yield Check("image", State.GOOD, "none is needed without Docker")
        return
    with contextlib.closing(client):
        if tag := image.built(client):
            yield Check("image", State.GOOD, tag)
        else:
            yield Check("image", State.NOTE, "is built by the first grading with Docker",
                        f"{screen.program()} grade --engine docker")  # fmt: skip


def _disk(root: pathlib.Path | None) -> Iterator[Check]:
    try:
        temporary: str | None = tempfile.gettempdir()
    except OSError:
        temporary = None
    if temporary is None:
        yield Check("disk, temporary files", State.BAD, "no folder for them can be written",
                    _OTHER_TMP)  # fmt: skip
    else:
        yield _room("disk, temporary files", pathlib.Path(temporary), _OTHER_TMP, _OTHER_TMP)
    if root is not None:
        smaller = "uv cache clean" if shutil.which("uv") else "python -m pip cache purge"
        yield _room("disk, your clone", root, f"git clone {root} ~/{root.name}", smaller)


def _room(name: str, folder: pathlib.Path, if_closed: str, if_full: str) -> Check:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        found = f"{folder} cannot be written ({error.strerror})"
        return Check(name, State.NOTE, found, if_closed)
    free = shutil.disk_usage(folder).free // _MB
    if free < _NEEDED_DISK_MB:
        found = f"{free:,} MB free in {folder}; {_NEEDED_DISK_MB} MB are enough"
        return Check(name, State.NOTE, found, if_full)
    return Check(name, State.GOOD, f"{free:,} MB free in {folder}")


def _memory() -> Iterator[Check]:
    free = _available_mb()
    if free is None:
        yield Check("memory", State.GOOD, "not known on this system")
    elif free < _NEEDED_MEMORY_MB:
        yield Check("memory", State.NOTE, f"{free:,} MB available; a grading may take 1,024",
                    f"{screen.program()} grade -j 1")  # fmt: skip
    else:
        yield Check("memory", State.GOOD, f"{free:,} MB available")


def _available_mb() -> int | None:
    """What is left to programs, within this control group's limit; None where nothing tells."""
    known = []
    with contextlib.suppress(OSError, LookupError, ValueError):
        lines = pathlib.Path("/proc/meminfo").read_text("utf-8").splitlines()
        entries = dict(line.split(":", 1) for line in lines)
        known.append(int(entries["MemAvailable"].split()[0]) // 1024)
    with contextlib.suppress(OSError, ValueError):
        group = pathlib.Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())  # "max" where there is none
        known.append((limit - int((group / "memory.current").read_text())) // _MB)
    return min(known, default=None)


def _clock(root: pathlib.Path | None) -> Iterator[Check]:
    now = time.time()
    shown = datetime.datetime.fromtimestamp(now).astimezone().isoformat(" ", "minutes")
    newest = 0.0
    if root is not None:
        newest = max((path.stat().st_mtime for path in root.iterdir()), default=0.0)
    if newest > now + _MAX_AHEAD_SECONDS:
        yield Check("clock", State.NOTE, f"{shown}, earlier than files of your clone",
                    _SET_CLOCK.get(sys.platform, _SET_CLOCK["linux"]))  # fmt: skip
    elif (drift := _docker_drift()) is not None and abs(drift) > _MAX_DRIFT_SECONDS:
        yield Check(
            "clock", State.NOTE, f"Docker's differs by {drift:+.0f} s", "docker desktop restart"
        )
    else:
        yield Check("clock", State.GOOD, shown)


_SET_CLOCK: Mapping[str, str] = {
    "linux": "sudo timedatectl set-ntp true",
    "darwin": "sudo sntp -sS time.apple.com",
    "win32": "w32tm /resync",
}


def _docker_drift() -> float | None:
    """By how many seconds the clock of Docker's machine is ahead, where there is one."""
    try:
        import docker

        client = docker.from_env(timeout=_ANSWER_SECONDS)
        with contextlib.closing(client):
            told = str(client.info()["SystemTime"])
        # Nanoseconds are more than Python reads.
        there = datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", told))
        return there.timestamp() - time.time()
    except Exception:
        return None


def _terminal() -> Iterator[Check]:
    stream = sys.stdout
    encoding = (getattr(stream, "encoding", None) or "unknown").lower()
    if "utf" not in encoding:
        fix = "chcp 65001" if sys.platform == "win32" else "export LC_ALL=C.UTF-8"
        yield Check("terminal, encoding", State.NOTE, f"{encoding}: signs are spelt out", fix)
    else:
        yield Check("terminal, encoding", State.GOOD, encoding)
    if not stream.isatty():
        yield Check("terminal", State.GOOD, "none: what is printed goes elsewhere")
        return
    size = os.get_terminal_size(stream.fileno())
    found = f"{size.columns} columns, {size.lines} lines, {_colour()}"
    if size.columns < _WIDTH or size.lines < _HEIGHT:
        yield Check("terminal", State.NOTE, found, _RESIZE)
    else:
        yield Check("terminal", State.GOOD, found)


def _colour() -> str:
    for reason, holds in (
        ("NO_COLOR is set", bool(os.environ.get("NO_COLOR"))),
        ("KATA_PLAIN is set", bool(os.environ.get("KATA_PLAIN"))),
        ("TERM is dumb", os.environ.get("TERM", "") in ("dumb", "unknown")),
    ):
        if holds:
            return f"no colour, for {reason}"
    return "colour"
