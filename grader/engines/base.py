"""What an engine is: it provides judges and boxes, and knows nothing of katas."""

import contextlib
import pathlib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from grader.catalog import Limits
from grader.verdict import Usage

#: Why a box is gone: ended by the kernel for memory, killed from outside, ended by itself, or never
#: ready for learner code.
Fate = Literal["memory", "killed", "ended", "stillborn"]
#: Told of a step that takes a while: what is being done.
Progress = Callable[[str], None]
#: Where a judge and its boxes listen, on a loopback that only they share.
BOX_PORT = 4711
#: The libraries that judges and boxes have.
LOCK = pathlib.Path(__file__).with_name("runtime.lock")
#: How systems install a package, by the program that does.
_INSTALLERS = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "pacman": "pacman -S",
    "zypper": "zypper install",
}


def locked(
    lock: pathlib.Path, environment: Mapping[str, str] | None = None
) -> dict[str, tuple[str, Sequence[str]]]:
    """Version and hashes, by name, of what a lock file has for an environment: this one by default.

    `environment` gives the values of markers. Raises `ValueError` for what is no lock file.
    """
    # Only here: it takes time to import.
    from packaging.requirements import Requirement

    found: dict[str, tuple[str, Sequence[str]]] = {}
    for entry in re.split(r"\n(?=\S)", lock.read_text("utf-8").strip()):
        head, *hashes = entry.replace("\\\n", "").split("--hash=")
        if head and not head.startswith("#"):
            wanted = Requirement(head.strip())
            if wanted.marker is None or wanted.marker.evaluate(environment):
                version = str(wanted.specifier).removeprefix("==")
                found[wanted.name] = version, [each.strip() for each in hashes]
    return found


def how_to_install(package: str, **elsewhere: str) -> str:
    """The step that installs a package here; `elsewhere` are its other names, by installer."""
    for program, command in _INSTALLERS.items():
        if shutil.which(program):
            return f"run: sudo {command} {elsewhere.get(program.replace('-', '_'), package)}"
    return f"install {package}"


class Channel(Protocol):
    """Messages to and from a trusted process. Raises `EngineTrouble` when it is gone."""

    def tell(self, message: object) -> None: ...

    def hear(self, seconds: float) -> Any:
        """Its next message. Raises `TimeoutError` after `seconds`."""


class Box(Protocol):
    """The sandboxes of one grading: one for each lane, numbered from 0."""

    @property
    def port(self) -> int: ...

    @property
    def lanes(self) -> int: ...

    @property
    def zygote(self) -> str | None:
        """Abstract Unix address where a judge gets its boxes; None: the one box is at `port`."""

    def usage(self) -> Mapping[int, Usage]:
        """For each lane: CPU so far, memory and processes now, measured from outside the box."""

    def kill(self, lane: int) -> None:
        """Ends it at once, with all that runs in it."""

    def fate(self, lane: int) -> Fate | None:
        """Why it is gone, or None while it is there."""


class Slot(Channel, Protocol):
    """One judge, and the boxes that it is using."""

    def box(
        self, limits: Limits, preload: Sequence[str] = (), lanes: int = 1
    ) -> contextlib.AbstractContextManager[Box]:
        """New boxes, up to `lanes`; on leaving, they and all that ran in them are gone."""


class Engine(Protocol):
    """Provides slots. One module each; `grader.engines` lists them in order of preference."""

    name: str
    #: False where learner code could reach the learner's own files and processes.
    isolated: bool
    #: What judge and box run on, where that has a name.
    image: str | None

    def problem(self) -> str | None:
        """What is missing on this machine, "; " and the step that mends it; None when it works."""

    def prepare(self, progress: Progress) -> None:
        """Makes ready what all slots share. Quick when nothing has changed."""

    def slot(self) -> contextlib.AbstractContextManager[Slot]:
        """A warm judge; on leaving, nothing of it is left."""
