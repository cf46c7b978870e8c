"""What an engine is: it provides judges and boxes, and knows nothing of katas."""

import contextlib
from collections.abc import Callable
from typing import Any, Literal, Protocol

from grader.catalog import Limits
from grader.verdict import Usage

#: Why a box is gone: ended by the kernel for memory, killed from outside, or ended by itself.
Fate = Literal["memory", "killed", "ended"]
#: Told of a step that takes a while: what is being done.
Progress = Callable[[str], None]


class Box(Protocol):
    """A sandbox for one grading. The judge reaches it on the slot's loopback."""

    port: int

    def usage(self) -> Usage:
        """CPU so far, memory and processes now, measured from outside the box."""

    def kill(self) -> None:
        """Ends it at once, with all that runs in it."""

    def fate(self) -> Fate | None:
        """Why it is gone, or None while it is there."""


class Slot(Protocol):
    """One judge, and the box that it is using. Raises `EngineTrouble` when either cannot be had."""

    def tell(self, message: object) -> None:
        """Sends the judge a message over the channel that no box sees."""

    def hear(self, seconds: float) -> Any:
        """The judge's next message. Raises `TimeoutError` after `seconds`."""

    def box(self, limits: Limits) -> contextlib.AbstractContextManager[Box]:
        """A new box; on leaving, it and all that ran in it are gone."""


class Engine(Protocol):
    """Provides slots. One module each; `grader.engines` lists them in order of preference."""

    name: str
    #: False where learner code could reach the learner's own files and processes.
    isolated: bool
    #: What judge and box run on, where that has a name.
    image: str | None

    def problem(self) -> str | None:
        """What is missing on this machine and the command that mends it; None when it works."""

    def prepare(self, progress: Progress) -> None:
        """Makes ready what all slots share. Quick when nothing has changed."""

    def slot(self) -> contextlib.AbstractContextManager[Slot]:
        """A warm judge; on leaving, nothing of it is left."""
