"""What a scripted server is told to do (steps) and what it remembers (calls)."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any

# Learner code can send what it likes; the judge's memory must not depend on it.
MAX_CALLS = 20_000
MAX_RECORDED_BYTES = 64 * 1024 * 1024
#: What Python takes for a text and its place in a dictionary, beside its letters.
_TEXT_BYTES = 150


@dataclass(eq=False)
class Call:
    """One request as it arrived. Times are those of time.monotonic()."""

    method: str
    path: str  # without the query
    query: dict[str, str]
    headers: dict[str, str]  # keys in lower case
    body: bytes
    number: int = 0  # from 1
    at: float = 0.0  # when the request had arrived in full
    params: dict[str, str] = field(default_factory=dict)  # the {names} of a vendor's route
    step: "Step | None" = None  # what the script chose
    status: int | None = None  # of the reply, once one is sent
    done_at: float | None = None  # when the step was played to its end
    hung_up_at: float | None = None  # when the client was seen to have gone before that

    @cached_property
    def json(self) -> Any:
        """The parsed body, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> dict[str, Any]:
        """The body if it is a JSON object, else an empty dict."""
        return self.json if isinstance(self.json, dict) else {}


class Step:
    """The base of all steps; prints as its name with the arguments that are not defaults."""

    def __str__(self) -> str:
        parts = []
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            default = each.default
            if each.default_factory is not MISSING:
                default = each.default_factory()
            if default is MISSING:
                parts.append(str(value) if isinstance(value, Step) else repr(value))
            elif value != default:
                parts.append(f"{each.name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: Mapping[str, Any] | str = "{}"  # a string goes out as it is, valid JSON or not
    id: str | None = None


Text = str | Sequence[str]


@dataclass(frozen=True)
class Answer(Step):
    text: Text | Callable[[Call], Text] | None = None
    finish_reason: str = "stop"  # becomes "tool_calls" where there are tool calls
    tool_calls: Sequence[ToolCall] = ()
    delay: float = 0.0
    usage: Mapping[str, int] | None = None  # None: estimated from the texts
    chunk_delay: float = 0.0  # between the chunks of a stream


@dataclass(frozen=True)
class Json(Step):
    body: Any  # a JSON value, or a callable that computes it from the Call
    status: int = 200
    delay: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status(Step):
    code: int
    retry_after: float | None = None
    body: Any = None  # None: an error in OpenAI's shape; a string goes out as plain text
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_ms: float | None = None


@dataclass(frozen=True)
class Hang(Step):
    seconds: float | None = None


@dataclass(frozen=True)
class Cut(Step):
    after: int = 2
    text: Text = "The first half of an answer that never comes to its end."


@dataclass(frozen=True)
class Drop(Step):
    after: int = 2
    text: Text = "The first half of an answer that never comes to its end."


@dataclass(frozen=True)
class Malformed(Step):
    body: str = '{"choices": ['
    status: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True)
class NoHeadersEnd(Step):
    interval: float = 0.05


@dataclass(frozen=True)
class Slow(Step):
    step: Step
    delay: float


@dataclass(frozen=True)
class Drip(Step):
    step: Step
    interval: float = 0.01
    size: int = 1


@dataclass(frozen=True)
class AsUsual(Step):
    pass


class Script:
    """Steps taken one after another; the last one repeats."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = list(steps)
        self._taken = 0
        for step in self._steps:
            if not isinstance(step, Step):
                raise TypeError(f"a script is made of steps such as Hang(), not of {step!r}")

    def take(self) -> Step:
        if not self._steps:
            return AsUsual()
        step = self._steps[min(self._taken, len(self._steps) - 1)]
        self._taken += 1
        return step


class Scripted:
    """Scripts and the record of calls, behind one lock."""

    def __init__(self, script: Iterable[Step] = ()) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._script = Script(script)
        self._rules: list[tuple[Callable[[Call], object], Script]] = []
        self._calls: list[Call] = []
        self._recorded_bytes = 0
        self.errors: list[Exception] = []  # raised by conditions and callables of the script

    def script(self, *steps: Step) -> None:
        """Replaces the plain script; without steps, requests are answered as usual again."""
        replacement = Script(steps)
        with self._changed:
            self._script = replacement

    def when(self, condition: Callable[[Call], object], *steps: Step) -> None:
        """Requests for which `condition` holds take these steps; the first rule that fits wins."""
        rule = (condition, Script(steps))
        with self._changed:
            self._rules.append(rule)

    @property
    def calls(self) -> list[Call]:
        with self._changed:
            return list(self._calls)

    def wait_for_calls(self, n: int, timeout: float = 2.0) -> bool:
        return self.wait_until(lambda calls: len(calls) >= n, timeout)

    def wait_until(self, condition: Callable[[list[Call]], object], timeout: float = 2.0) -> bool:
        """Asks again whenever a call arrives, ends or is hung up on."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: condition(list(self._calls)), timeout))

    def forget(self) -> None:
        """Clears the record; numbers start from 1 again. Scripts go on where they are."""
        with self._changed:
            self._calls.clear()
            self.errors.clear()
            self._recorded_bytes = 0

    def out_of_scope(self, call: Call) -> Step | None:
        """What to answer to a request that is not for the script at all."""
        return None

    def _record(self, call: Call) -> Step:
        """Records the call and chooses its step, in one go: their orders never differ."""
        with self._changed:
            self._recorded_bytes += _size(call)
            if len(self._calls) >= MAX_CALLS or self._recorded_bytes > MAX_RECORDED_BYTES:
                return Status(503, body="the fake's record is full")
            call.at = time.monotonic()
            call.number = len(self._calls) + 1
            call.step = self._choose(call)
            self._calls.append(call)
            self._changed.notify_all()
            return call.step

    def _choose(self, call: Call) -> Step:
        for condition, script in self._rules:
            try:
                if condition(call):
                    return script.take()
            except Exception as error:
                self.errors.append(error)
        return self.out_of_scope(call) or self._script.take()

    def _finished(self, call: Call, hung_up: bool) -> None:
        with self._changed:
            if hung_up:
                call.hung_up_at = time.monotonic()
            else:
                call.done_at = time.monotonic()
            self._changed.notify_all()


def _size(call: Call) -> int:
    """About how many bytes the record of a call takes."""
    words = [call.path]
    for texts in (call.headers, call.query):
        words += [*texts, *texts.values()]
    return len(call.body) + sum(_TEXT_BYTES + len(word) for word in words)
