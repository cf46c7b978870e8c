"""What happened when, for behaviours where time matters: requests to the learner's service, calls
that its upstreams saw."""

import itertools
import time
from collections.abc import Iterator

from grader.judge.findings import clean
from grader.judge.submission import Submission
from grader.upstreams import (
    Answer,
    Call,
    Cut,
    Drip,
    Drop,
    Hang,
    Json,
    Malformed,
    NoHeadersEnd,
    ScriptedServer,
    Slow,
    Status,
    Step,
)

#: Most lines of a timeline; the middle of a longer one is left out.
MAX_LINES = 14
#: An upstream that takes longer, in seconds, gets a second line, for its end.
_LONG = 0.1


class Timeline:
    """The services of a submission and the upstreams that are watched, on one clock."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._upstreams: dict[str, ScriptedServer] = {}
        self._begun = time.monotonic()

    def watch(self, **upstreams: ScriptedServer) -> None:
        """Calls of these are told under these names."""
        self._upstreams.update(upstreams)

    def begin(self) -> None:
        """Forgets what was before."""
        self._begun = time.monotonic()

    def lines(self) -> list[str]:
        """One for each event, "1,012 ms  primary, call 2: 429"; 0 ms is the first one."""
        events = sorted(event for event in self._events() if event[0] >= self._begun)
        if not events:
            return []
        start, width = events[0][0], len(_ms(events[-1][0] - events[0][0]))
        lines = []
        for text, same in itertools.groupby(events, key=lambda event: event[1]):
            (first, *_), *more = same
            often = f", {len(more) + 1} times" if more else ""
            lines.append(f"{_ms(first - start):>{width}}  {clean(text, 100)}{often}")
        if len(lines) > MAX_LINES:
            half = MAX_LINES // 2
            left_out = f"{'…':>{width}}  {len(lines) - 2 * half + 1} more"
            lines = [*lines[:half], left_out, *lines[-half + 1 :]]
        return lines

    def _events(self) -> Iterator[tuple[float, str]]:
        for request in [r for service in self._submission.services for r in service.requests]:
            yield request.at, request.what
            if request.ended_at is not None:
                yield request.ended_at, f"{request.what}: {request.end}"
        for name, server in self._upstreams.items():
            for call in server.calls:
                yield from _told(f"{name}, call {call.number}", call)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def _told(who: str, call: Call) -> Iterator[tuple[float, str]]:
    yield call.at, f"{who}: {_in_words(call.step)}"
    if call.hung_up_at is not None:
        yield call.hung_up_at, f"{who}: the caller hung up"
    elif call.done_at is not None and call.done_at - call.at > _LONG:
        yield call.done_at, f"{who}: ended"


def _in_words(step: Step | None) -> str:
    match step:
        case Status(code=code, retry_after=None, retry_after_ms=None):
            return f"{code}"
        case Status(code=code, retry_after=None, retry_after_ms=milliseconds):
            return f"{code}, try again after {milliseconds:g} ms"
        case Status(code=code, retry_after=seconds):
            return f"{code}, try again after {seconds:g} s"
        case Answer(delay=delay) | Json(delay=delay) if delay:
            return f"an answer, {delay:g} s later"
        case Answer(chunk_delay=pause) if pause:
            return f"an answer, a part every {pause:g} s"
        case Answer() | Json():
            return "an answer"
        case Hang():
            return "no answer"
        case Cut():
            return "a stream that ends half-way"
        case Drop():
            return "the connection drops in the middle"
        case Malformed():
            return "broken JSON"
        case NoHeadersEnd():
            return "headers without an end"
        case Slow(step=later, delay=delay):
            return f"{_in_words(later)}, {delay:g} s later"
        case Drip(step=part):
            return f"{_in_words(part)}, a few bytes at a time"
    return "as usual"
