"""A slot: one judge, and beside it a warm zygote that forks its boxes, or one cold box a grading.

What the engines have in common. Cold boxes are for machines that refuse namespaces to processes in
a sandbox: Docker under AppArmor, for one.
"""

import contextlib
import dataclasses
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from grader.catalog import Limits
from grader.engines.base import BOX_PORT, Box, Channel, Fate
from grader.errors import EngineTrouble
from grader.verdict import Usage

_START_SECONDS = 60.0
_ANSWER_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Warmth:
    """What a zygote is made for: limits of each of its lanes, and what boxes will import."""

    limits: Limits
    preload: Sequence[str]
    lanes: int


class Slot:
    """`zygote` starts one at an address, for limits and a number of lanes; `cold_box` one box."""

    def __init__(
        self,
        judge: Channel,
        zygote: Callable[[str, Limits, int], AbstractContextManager[Channel]] | None,
        cold_box: Callable[[Limits], AbstractContextManager[Box]],
    ) -> None:
        self._judge = judge
        self._start_zygote = zygote
        self._cold_box = cold_box
        self._stack = contextlib.ExitStack()
        self._warmth: Warmth | None = None
        try:
            self.hear(_START_SECONDS)
        except TimeoutError as error:
            raise EngineTrouble("the judge does not answer") from error

    def tell(self, message: object) -> None:
        self._judge.tell(message)

    def hear(self, seconds: float) -> Any:
        return self._judge.hear(seconds)

    @contextlib.contextmanager
    def box(self, limits: Limits, preload: Sequence[str] = (), lanes: int = 1) -> Iterator[Box]:
        """Boxes as `Slot` in `grader.engines.base` promises them."""
        if self._start_zygote is not None:
            self._warm(Warmth(limits, tuple(preload), lanes))
        if self._start_zygote is None:
            with self._cold_box(limits) as box:
                yield box
        else:
            warm = WarmBox(self._zygote, self._name, lanes)
            yield warm
            warm.end()

    def _warm(self, warmth: Warmth) -> None:
        """Sees to it that the zygote is one for this; where none can work, boxes are cold."""
        if self._warmth == warmth:
            return
        self.close()
        self._name = f"kata-{secrets.token_hex(16)}"
        assert self._start_zygote is not None
        starting = self._start_zygote(self._name, warmth.limits, warmth.lanes)
        self._zygote = self._stack.enter_context(starting)
        problem = _ask(self._zygote, do="warm", preload=list(warmth.preload),
                       disk_mb=warmth.limits.disk_mb)  # fmt: skip
        if problem is None:
            self._warmth = warmth
        else:
            self.close()
            self._start_zygote = None

    def close(self) -> None:
        """Ends the zygote."""
        self._warmth = None
        self._stack.close()


class WarmBox:
    """The boxes of one grading, watched by the zygote that has forked them."""

    port = BOX_PORT

    def __init__(self, zygote: Channel, name: str, lanes: int) -> None:
        self.zygote = name
        self.lanes = lanes
        self._zygote = zygote

    def usage(self) -> Mapping[int, Usage]:
        return _usage(_ask(self._zygote, do="usage"))

    def kill(self, lane: int) -> None:
        _ask(self._zygote, do="kill", lane=lane)

    def fate(self, lane: int) -> Fate | None:
        fate: Fate | None = _ask(self._zygote, do="fate", lane=lane)
        return fate

    def end(self) -> None:
        _ask(self._zygote, do="end")


def _ask(channel: Channel, **request: Any) -> Any:
    channel.tell(request)
    try:
        return channel.hear(_ANSWER_SECONDS)
    except TimeoutError as error:
        raise EngineTrouble("the box does not answer") from error


def _usage(told: Mapping[str, Sequence[float]]) -> Mapping[int, Usage]:
    return {int(lane): Usage(cpu, memory, int(count))
            for lane, (cpu, memory, count) in told.items()}  # fmt: skip
