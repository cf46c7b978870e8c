"""Upstreams by hand: scripts as text, faults that are switched, words for each request."""

import dataclasses
import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Literal, Self

from grader.upstreams.llm import CHAT, FakeLLM
from grader.upstreams.script import (
    Answer,
    AsUsual,
    Call,
    Cut,
    Drip,
    Drop,
    Hang,
    Json,
    Malformed,
    NoHeadersEnd,
    Slow,
    Status,
    Step,
    Text,
    ToolCall,
)
from grader.upstreams.server import ScriptedServer
from grader.upstreams.vendor import FakeVendor

Kind = Literal["llm", "vendor"]

SPELLINGS = {
    "answer": "answer[:TEXT]",
    "cut": "cut[:CHUNKS]",
    "drip": "drip:SECONDS[:STEP]",
    "drop": "drop[:CHUNKS]",
    "hang": "hang[:SECONDS]",
    "headers": "headers",
    "json": "json:VALUE",
    "length": "length[:TEXT]",
    "malformed": "malformed",
    "slow": "slow:SECONDS[:STEP]",
    "tool": "tool:NAME[:ARGUMENTS]",
    "usual": "usual",
}
KNOWN = f"a status such as 429 or 429:RETRY_AFTER, {', '.join(SPELLINGS.values())}"
#: A text in double quotes, in which commas and brackets mean nothing, or any other character.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|.', re.DOTALL)
_MAX_WORDS, _WIDTH = 48, 79
_REMEMBERED = 1_000

_COMMON = {
    "answers 500": "500",
    "answers 429 with Retry-After: 60": "429:60",
    "answers 429 with Retry-After: 0.3": "429:0.3",
    "never answers": "hang",
    "answers 3 s later": "slow:3",
    "answers a byte at a time": "drip:0.02",
}
#: What can be switched on at any upstream of a kind: the script, by what it does.
FAULTS: Mapping[Kind, Mapping[str, str]] = {
    "llm": {
        **_COMMON,
        "ends a stream half-way, in good order": "cut",
        "drops the connection half-way": "drop",
        "sends broken JSON": "malformed",
    },
    "vendor": {
        **_COMMON,
        "answers 404": "404",
        "drops the connection half-way": "drop",
        "sends broken JSON": "malformed",
    },
}
#: The keys of a menu, in its order; 0 is always what the upstream does as usual.
KEYS = "0123456789abcdefgh"
_WHAT: Mapping[Kind, str] = {"llm": "an OpenAI-compatible LLM", "vendor": "a vendor's JSON API"}


def parse_script(text: str, usual: Step | None = None) -> list[Step]:
    """Reads a script such as `429:0.5, hang:2, cut, slow:1:answer:"hello, you"`.

    `usual` takes the place of the step `usual`. Raises `ValueError`, which says what is known.
    """
    return [_step(each, usual or AsUsual()) for each in _split(text)]


def _split(text: str) -> list[str]:
    """Parts between commas, but not between the commas inside of {…}, […] and "…"."""
    parts, depth = [""], 0
    for token in _TOKEN.findall(text):
        depth += (token in "{[") - (token in "}]")
        if token == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += token
    return [part.strip() for part in parts if part.strip()]


def _step(text: str, usual: Step) -> Step:
    name, _, rest = text.partition(":")
    name = name.strip().lower()
    first, _, behind = rest.partition(":")
    if name.isdigit() and 200 <= int(name) <= 599:
        return Status(int(name), retry_after=_number(text, rest) if rest else None)
    match name:
        case "answer":
            return Answer(_text(rest))
        case "length":
            return Answer(_text(rest), finish_reason="length")
        case "tool" if first:
            return Answer(tool_calls=(ToolCall(first.strip(), behind.strip() or "{}"),))
        case "json":
            try:
                return Json(json.loads(rest))
            except ValueError as error:
                raise ValueError(f'"{text}" is not valid JSON after the colon: {error}') from None
        case "hang":
            return Hang(_number(text, rest) if rest else None)
        case "cut" | "drop":
            after = int(_number(text, rest)) if rest else 2
            return Cut(after) if name == "cut" else Drop(after)
        case "slow":
            return Slow(_step(behind, usual) if behind else usual, _number(text, first))
        case "drip":
            return Drip(_step(behind, usual) if behind else usual, _number(text, first))
        case "malformed":
            return Malformed()
        case "headers":
            return NoHeadersEnd()
        case "usual":
            return usual
    raise ValueError(f'unknown step "{text}"; known are {KNOWN}')


def _text(rest: str) -> Text | None:
    """The text as it stands, or from a JSON string; a list of strings says how a stream is cut."""
    if rest.startswith(('"', '["')):
        try:
            text = json.loads(rest)
        except ValueError:
            return rest
        if isinstance(text, str):
            return text
        if all(isinstance(part, str) for part in text):
            return tuple(text)
    return rest or None


def _number(step: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6:
        raise ValueError(f'"{step}" needs a number of zero or more behind the colon')
    return number


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of the menu."""

    key: str
    words: str
    script: str


class ByHand:
    """An upstream for a person to play with: its faults are switched while it runs.

    `usual` is the step that it does without a fault, `menu` what can be switched on besides the
    faults that all of its kind have. `tell` gets a line when a request has come, and one when it is
    over. Raises `ValueError` for scripts that cannot be read.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        port: int,
        tell: Callable[[str], None],
        usual: str | None = None,
        menu: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.what = _WHAT[kind]
        plain = Answer() if kind == "llm" else Json({"ok": True})
        self._usual = _step(usual, plain) if usual else plain
        words = {"as usual": "usual", **FAULTS[kind], **(menu or {})}
        self.menu: Sequence[Entry] = [
            Entry(key, *pair) for key, pair in zip(KEYS, words.items(), strict=False)
        ]
        self._tell = tell
        self._one_at_a_time = threading.Lock()
        server = FakeLLM if kind == "llm" else FakeVendor
        self._server: ScriptedServer = server(port=port)
        self._server.on_call = self._came
        self._server.on_end = self._went
        #: The script that is played.
        self.now = ""
        self.switch("usual")

    @property
    def url(self) -> str:
        return self._server.url

    def switch(self, script: str) -> str:
        """Plays a script, or an entry of the menu by its key, from the next request on.

        Returns what that is, in words.
        """
        chosen = next((entry for entry in self.menu if entry.key == script.strip()), None)
        steps = parse_script(chosen.script if chosen else script, self._usual)
        self._server.script(*(steps or [self._usual]))
        self.now = chosen.script if chosen else script.strip() or "usual"
        if chosen:
            return chosen.words
        return ", then ".join(map(_words, steps)) or "as usual"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _came(self, call: Call) -> None:
        said = _asked(call)
        self._line(call, f"{call.method} {call.path}" + (f", {said}" if said else ""))

    def _went(self, call: Call) -> None:
        until = call.hung_up_at or call.done_at or time.monotonic()
        got = "the caller hung up; planned was" if call.hung_up_at is not None else "it got"
        if call.number >= _REMEMBERED:
            self._server.forget()  # nobody asks for the record, which would fill up
        self._line(call, f"after {(until - call.at) * 1000:,.0f} ms {got} {_got(call)}")

    def _line(self, call: Call, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {self.name} {call.number}: {text}"
        with self._one_at_a_time:
            self._tell(line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "...")


def _asked(call: Call) -> str:
    """What a request is about: the last message of a chat, else the body."""
    if call.path != CHAT:
        return _short(call.body.decode("utf-8", "replace"))
    messages = call.fields.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, dict) else None
    streamed = "streamed, " if call.fields.get("stream") is True else ""
    return streamed + _short(content if isinstance(content, str) else json.dumps(content))


def _got(call: Call) -> str:
    step = call.step or AsUsual()
    innermost = step
    while isinstance(innermost, Slow | Drip):
        innermost = innermost.step
    # An upstream also refuses by itself, for example a chat without a model.
    if call.status is not None and call.status >= 400 and not isinstance(innermost, Status | Json):
        return _status(call.status) + ", for the request is not as its API wants it"
    return _words(step)


def _words(step: Step) -> str:
    match step:
        case Slow():
            return f"{_words(step.step)}, {step.delay:g} s later"
        case Drip():
            return f"{_words(step.step)}, in drips"
        case Status():
            wait = "" if step.retry_after is None else f" with Retry-After: {step.retry_after:g}"
            return _status(step.code) + wait
        case Answer() if step.tool_calls:
            return f"a call of {', '.join(tool.name for tool in step.tool_calls)}"
        case Answer():
            text = "" if callable(step.text) or step.text is None else "".join(step.text)
            cut = ", cut off for its length" if step.finish_reason == "length" else ""
            return (f"the answer {_short(text)}" if text else "an answer") + cut
        case Json():
            return f"{'' if step.status == 200 else f'{step.status} with '}JSON {_short_json(step)}"
        case Hang():
            return "nothing" if step.seconds is None else f"nothing for {step.seconds:g} s"
        case Cut():
            return "half an answer, ended in good order"
        case Drop():
            return "half an answer, and a dropped connection"
        case Malformed():
            return "broken JSON"
        case NoHeadersEnd():
            return "headers without an end"
    return "the usual"


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _short_json(step: Json) -> str:
    return _short(json.dumps(None if callable(step.body) else step.body, ensure_ascii=False))


def _short(text: str) -> str:
    """A text on one line, in quotes unless it is JSON or nothing."""
    text = " ".join(text.split())
    if len(text) > _MAX_WORDS:
        text = text[: _MAX_WORDS - 3] + "..."
    return text if text.startswith(("{", "[")) or not text else f'"{text}"'
