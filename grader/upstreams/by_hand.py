"""Starting an upstream by hand: a script as one line of text, and a server until Ctrl-C."""

import json
import threading
import time
from collections.abc import Callable

from grader.upstreams.llm import FakeLLM
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
    ToolCall,
)
from grader.upstreams.server import ScriptedServer
from grader.upstreams.vendor import FakeVendor

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


def parse_script(text: str) -> list[Step]:
    """Reads a script such as `429:0.5, hang:2, cut, slow:1:answer:hello`."""
    return [_step(each) for each in _split(text)]


def _split(text: str) -> list[str]:
    """Parts between commas, but not between the commas inside of {…} and […]."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "{[") - (character in "}]")
        if character == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _step(text: str) -> Step:
    name, _, rest = text.partition(":")
    name = name.strip().lower()
    first, _, behind = rest.partition(":")
    if name.isdigit() and 200 <= int(name) <= 599:
        return Status(int(name), retry_after=_number(text, rest) if rest else None)
    match name:
        case "answer":
            return Answer(rest or None)
        case "length":
            return Answer(rest or None, finish_reason="length")
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
            return Slow(_step(behind) if behind else AsUsual(), _number(text, first))
        case "drip":
            return Drip(_step(behind) if behind else AsUsual(), _number(text, first))
        case "malformed":
            return Malformed()
        case "headers":
            return NoHeadersEnd()
        case "usual":
            return AsUsual()
    raise ValueError(f'unknown step "{text}"; known are {KNOWN}')


def _number(step: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6:
        raise ValueError(f'"{step}" needs a number of zero or more behind the colon')
    return number


def serve_forever(
    kind: str,
    port: int,
    script_text: str,
    log: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Serves until Ctrl-C (or `stop`); `log` gets the address, then a line for each request."""
    steps = parse_script(script_text)
    server: ScriptedServer
    if kind == "llm":
        server = FakeLLM(steps, port)
    elif kind == "vendor":
        server = FakeVendor(script=steps or [Json({"ok": True})], port=port)
    else:
        raise ValueError(f'unknown kind of upstream "{kind}"; known are llm, vendor')
    started = time.monotonic()
    one_at_a_time = threading.Lock()

    def tell(call: Call) -> None:
        ms = (call.at - started) * 1000
        with one_at_a_time:
            log(f"#{call.number} {ms:.0f} ms {call.method} {call.path} -> {call.step}")

    server.on_call = tell
    with server:
        log(f"{kind} listening on {server.url}")
        try:
            (stop or threading.Event()).wait()
        except KeyboardInterrupt:
            return
