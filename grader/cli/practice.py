"""Practice by hand: a kata's upstreams with faults to switch, the learner's service beside them.

None of this has a part in a verdict: hidden tests start upstreams of their own, in a box without a
network, and the box gets only the environment that they give it.
"""

import contextlib
import dataclasses
import functools
import http.client
import importlib.util
import itertools
import json
import os
import pathlib
import select
import signal
import socket
import string
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from grader import kernel
from grader.catalog import Kata, Upstream
from grader.cli import screen
from grader.errors import UsageError
from grader.upstreams.by_hand import FAULTS, ByHand, Kind
from grader.watching import VISIBLE_TESTS

#: Where the first scripted upstream of a kata listens; the others are on the ports behind it.
UPSTREAM_PORT = 8901
SERVICE_PORT = 8900
HOST = "127.0.0.1"
#: What `kata upstream` takes besides a kata.
KINDS: Mapping[str, Kind] = {kind: kind for kind in FAULTS}
#: What a scripted upstream is asked with.
_KEY, _MODEL = "sk-practice-only", "practice-model"
_BASE_URL, _API_KEY, _OWN_MODEL = "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"
#: How long a service gets to end by itself, in seconds.
_PATIENCE = 3.0
_WIDTH = 79
_ESCAPE = b"\x1b"
#: What may stand in an arrow key's sequence before its last byte.
_PARAMETERS = [bytes([code]) for code in b"0123456789;"]
#: How soon the rest of it follows its escape.
_SEQUENCE_SECONDS = 0.05
#: How often a service's files are looked at, in seconds.
_LOOK_SECONDS = 0.3
_KEY_FOR_SCRIPTS = "s: a script of your own"
_ANSWER_SECONDS = 5
_NAMED = 5


# --- upstreams ----------------------------------------------------------------------------------


def run_upstreams(kata: Kata, port: int, scripts: Sequence[str]) -> None:
    """Serves the kata's upstreams until `q`, `quit` or an interrupt.

    Raises `UsageError` where there is none, where a port is taken and for a script that cannot be
    read.
    """
    if not kata.contract.upstreams:
        raise UsageError(f"{kata.short_name} calls nobody; its README says how to run it")
    stands, variables = [], []
    for place, declared in enumerate(kata.contract.upstreams):
        own = port + place if port else 0
        stands.append(
            ByHand(declared.name, declared.kind, own, screen.say, declared.usual, declared.menu)
        )
        variables.append(declared.url)
    beside = None
    if kata.contract.serve and port:
        elsewhere = f" --upstream-port {port}" if port != UPSTREAM_PORT else ""
        beside = f"{screen.program()} serve {kata.short_name}{elsewhere}"
    _play(stands, scripts, variables, beside)


def run_upstream(kind: Kind, port: int, scripts: Sequence[str]) -> None:
    """The same for an upstream that belongs to no kata."""
    _play([ByHand(kind, kind, port, screen.say)], scripts, [], None)


def _play(
    stands: Sequence[ByHand], scripts: Sequence[str], variables: Sequence[str], beside: str | None
) -> None:
    board = _Board(stands)
    with contextlib.ExitStack() as running, contextlib.suppress(KeyboardInterrupt):
        for stand, variable in itertools.zip_longest(stands, variables):
            try:
                running.enter_context(stand)
            except OSError as error:
                raise UsageError(
                    f"{stand.name}: its port cannot be used ({error.strerror}); choose another "
                    "with --port"
                ) from None
            screen.say(f"{stand.name}: {stand.what}")
            screen.say(f"  {f'{variable}=' if variable else ''}{stand.url}")
        try:
            for script in scripts:
                board.obey(script)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if beside:
            screen.say(f"Beside it, in another terminal:\n  {beside}")
        if sys.stdin is not None and sys.stdin.isatty():
            _by_keys(board)
        else:
            _by_lines(board)


class _Board:
    """Which upstream the next key or line is for, and what it switches."""

    def __init__(self, stands: Sequence[ByHand]) -> None:
        self._stands = stands
        self.current = stands[0]

    def obey(self, line: str) -> None:
        """Plays a script or a key of the menu; `NAME: …` turns to that upstream first.

        Raises `ValueError` for what is neither.
        """
        name, colon, rest = line.partition(":")
        named = next((stand for stand in self._stands if stand.name == name.strip()), None)
        if colon and named:
            self.current, line = named, rest
        told = f"{self.current.name}: from now on {self.current.switch(line)}"
        screen.say(textwrap.shorten(told, _WIDTH, placeholder="..."))

    def turn(self) -> None:
        place = self._stands.index(self.current) + 1
        self.current = self._stands[place % len(self._stands)]
        screen.say(f"The keys now switch {self.current.name}.")

    def show_menu(self, extra: str) -> None:
        """The faults, a star at the one that is on; short enough for a screen of 24 lines."""
        screen.say(f"What {self.current.name} does, from its next request on (*: now):")
        for entry in self.current.menu:
            now = "*" if entry.script == self.current.now else " "
            screen.say(f"{now} {entry.key}  {entry.words}")
        other = "n: the next upstream, " if len(self._stands) > 1 else ""
        screen.say(f"  {other}{extra}, ?: this menu, q: quit")


def _by_lines(board: _Board) -> None:
    """A script, a key of the menu or `NAME: SCRIPT` on each line; at their end it goes on."""
    screen.say("Lines on standard input switch faults; ? shows the menu.")
    for line in sys.stdin or ():
        match line.strip():
            case "":
                continue
            case "quit" | "q":
                return
            case "help" | "?":
                board.show_menu("[NAME:] SCRIPT")
            case text:
                _try(board, text)
    threading.Event().wait()


def _by_keys(board: _Board) -> None:
    board.show_menu(_KEY_FOR_SCRIPTS)
    while key := _read_key():
        match key:
            case "q":
                return
            case "?":
                board.show_menu(_KEY_FOR_SCRIPTS)
            case "n" | "\t":
                board.turn()
            case "s":
                screen.say(f"A script for {board.current.name}, such as 500,hang:2,usual:")
                if text := sys.stdin.readline().strip():
                    _try(board, text)
            case _ if key in {entry.key for entry in board.current.menu}:
                board.obey(key)
            case _ if key.isprintable():
                screen.say(f'"{key}" is not on the menu; ? shows it')


def _try(board: _Board, text: str) -> None:
    try:
        board.obey(text)
    except ValueError as error:
        screen.say(str(error))


if sys.platform == "win32":
    import msvcrt

    def _read_key() -> str:
        """The next key; empty when there is no more to come."""
        return msvcrt.getwch()

else:
    import termios
    import tty

    def _read_key() -> str:
        """The next key, arrow keys and the like left out; empty when none is to come."""
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSADRAIN)
            while (key := os.read(terminal, 1)) == _ESCAPE:
                while select.select([terminal], [], [], _SEQUENCE_SECONDS)[0]:
                    if os.read(terminal, 1) not in (b"[", b"O", *_PARAMETERS):
                        break
            return key.decode("utf-8", "replace")
        except OSError:  # the terminal is gone
            return ""
        finally:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(terminal, termios.TCSADRAIN, before)


# --- the learner's service ----------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Address:
    """Where the service is to find an upstream."""

    upstream: Upstream
    url: str
    key: str
    model: str
    #: Whether it is the scripted one, and not one of the learner's own.
    scripted: bool


def addresses(kata: Kata, environ: Mapping[str, str], port: int) -> list[Address]:
    """Where the kata's upstreams are: at a variable of its own, else at OPENAI_BASE_URL if it is an
    LLM, else scripted, from `port` on. Raises `UsageError` when it is not clear which model."""
    return [
        _address(upstream, environ, port + place)
        for place, upstream in enumerate(kata.contract.upstreams)
    ]


def _address(upstream: Upstream, environ: Mapping[str, str], port: int) -> Address:
    own_key = environ.get(upstream.key or "")
    own_model = environ.get(upstream.model or "")
    own = environ.get(upstream.url)
    if own and upstream.url != _BASE_URL:
        return Address(upstream, own, own_key or _KEY, own_model or _MODEL, scripted=False)
    if upstream.kind == "llm" and (base := environ.get(_BASE_URL)):
        if urlsplit(base).scheme not in ("http", "https"):
            raise UsageError(f"{_BASE_URL} is {base!r}; it begins with http:// or https://")
        base, key = base.rstrip("/"), own_key or environ.get(_API_KEY) or "none"
        model = own_model or environ.get(_OWN_MODEL) or _only_model(base, key)
        return Address(upstream, base, key, model, scripted=False)
    url = f"http://{HOST}:{port}{'/v1' if upstream.kind == 'llm' else ''}"
    return Address(upstream, url, _KEY, own_model or _MODEL, scripted=True)


@functools.cache
def _only_model(base: str, key: str) -> str:
    """The one model for chats that an endpoint lists. Raises `UsageError` where that is not clear,
    for it is the learner who pays."""
    request = urllib.request.Request(f"{base}/models", headers={"Authorization": f"Bearer {key}"})
    local = urlsplit(base).hostname in (HOST, "localhost")
    proxies = [urllib.request.ProxyHandler({})] if local else []
    try:
        with urllib.request.build_opener(*proxies).open(request, timeout=_ANSWER_SECONDS) as reply:
            names = [str(model["id"]) for model in json.load(reply)["data"]]
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        found = f"its list of models cannot be read ({reason})"
    else:
        chats = [name for name in names if "embed" not in name.lower()]
        if len(chats) == 1:
            return chats[0]
        more = ", ..." if len(chats) > _NAMED else ""
        found = f"it serves {', '.join(chats[:_NAMED]) or 'no model'}{more}"
    raise UsageError(
        f"{_BASE_URL} is {base}, and {found}; set {_OWN_MODEL} to the model to ask for, or unset "
        f"{_BASE_URL} to practise with the scripted one"
    )


def serve(kata: Kata, port: int, upstream_port: int, reload: bool) -> bool:
    """Runs what kata.toml declares under [serve] until it ends or is interrupted.

    Returns whether it ended in good order. Raises `UsageError` where there is nothing to serve, a
    port is taken or a command's upstream does not answer.
    """
    declared = kata.contract.serve
    if declared is None:
        raise UsageError(f"{kata.short_name} has no service; its README says how to run it")
    places = addresses(kata, os.environ, upstream_port)
    port = _free(port)
    with tempfile.TemporaryDirectory(prefix="kata-", ignore_cleanup_errors=True) as scratch:
        url = f"http://{HOST}:{port}"
        model = places[0].model if places else _MODEL
        known = {"url": url, "model": model, "scratch": scratch}

        def fill_in(text: str) -> str:
            return string.Template(text).substitute(known)

        own = {name: fill_in(text) for name, text in declared.env.items()}
        env = environment(places, os.environ, own)
        for place in places:
            _say_place(place, kata, must_answer=declared.command is not None)
        if declared.command is not None:
            done = _run([fill_in(word) for word in declared.command], kata.folder, env)
            for path in sorted(path for path in pathlib.Path(scratch).rglob("*") if path.is_file()):
                screen.say(f"It wrote {path.name}:")
                screen.print_text(path.read_text("utf-8", "replace"))
            return done
        _needs("uvicorn")
        screen.say(f"{kata.short_name}: {declared.app} at {url}")
        if reload:
            screen.say("It starts anew when you save; Ctrl-C ends it.")
        if declared.try_:
            screen.say("Try it, in another terminal:")
            screen.say(fill_in(declared.try_).strip("\n"))
        command = ["python", "-m", "uvicorn", declared.app or "", "--host", HOST,
                   "--port", str(port), "--timeout-graceful-shutdown", "1"]  # fmt: skip
        if not screen.coloured():
            command.append("--no-use-colors")
        if reload:
            _run_anew(command, kata.folder, env)
            return True
        return _run(command, kata.folder, env)


def environment(
    places: Sequence[Address], environ: Mapping[str, str], declared: Mapping[str, str]
) -> dict[str, str]:
    """The service's environment: that of the learner, what kata.toml declares (the learner's own
    settings win), and the upstreams."""
    env = {**declared, **environ}
    for place in places:
        for variable, value in (
            (place.upstream.url, place.url),
            (place.upstream.key, place.key),
            (place.upstream.model, place.model),
        ):
            if variable:
                env[variable] = value
    # A proxy of the learner's network has no business between the service and this machine.
    direct = [env.get("NO_PROXY") or env.get("no_proxy") or "", HOST, "localhost"]
    env["NO_PROXY"] = env["no_proxy"] = ",".join(filter(None, direct))
    env["PYTHONUNBUFFERED"] = "1"
    return env


def _say_place(place: Address, kata: Kata, must_answer: bool) -> None:
    name = place.upstream.name
    if not place.scripted:
        screen.say(f"{name}: yours, {place.model} at {place.url}")
        screen.say("  For play: a verdict never comes from it.")
        return
    screen.say(f"{name}: scripted, at {place.url}")
    if _answers(place.url):
        return
    step = f"{screen.program()} upstream {kata.short_name}"
    if must_answer:
        raise UsageError(f"{name} does not listen; start it in another terminal:\n    {step}")
    screen.say(f"  It does not listen yet. In another terminal:\n    {step}")


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    with contextlib.suppress(OSError):
        socket.create_connection((parts.hostname or HOST, parts.port or 80), 1).close()
        return True
    return False


def _free(port: int) -> int:
    """The port, or any free one for 0. Raises `UsageError` when it is taken."""
    try:
        with socket.create_server((HOST, port)) as probe:
            free: int = probe.getsockname()[1]
            return free
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be used ({error.strerror}); choose another with --port"
        ) from None


def _run(command: Sequence[str], folder: pathlib.Path, env: Mapping[str, str]) -> bool:
    """Runs a command in the kata's folder; the terminal is its own, so that it can be debugged."""
    process = _start(command, folder, env)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        _end(process)
        return True
    if code:
        screen.say(f"It ended with exit code {code}.")
    return code == 0


def _run_anew(command: Sequence[str], folder: pathlib.Path, env: Mapping[str, str]) -> None:
    """Runs a service until an interrupt, anew whenever a Python file of the folder was saved.

    uvicorn's own reloader waits for ever for a service that blocks its event loop.
    """
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            before, process = _saved(folder), _start(command, folder, env)
            told = False
            try:
                while _saved(folder) == before:
                    if process.poll() is not None and not told:
                        screen.say("It has ended; it starts anew when you save.")
                        told = True
                    time.sleep(_LOOK_SECONDS)
            finally:
                _end(process)
            screen.say("Saved: it starts anew.")


def _saved(folder: pathlib.Path) -> dict[pathlib.Path, int]:
    """When each Python file was saved."""
    times = {}
    for path in folder.rglob("*.py"):
        with contextlib.suppress(OSError):  # an editor may be about to replace it
            times[path] = path.stat().st_mtime_ns
    return times


def _start(
    command: Sequence[str], folder: pathlib.Path, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    argv = [sys.executable if command[0] == "python" else command[0], *command[1:]]
    try:
        return subprocess.Popen(argv, cwd=folder, env=dict(env))
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror}") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a service and all that it has started."""
    if process.poll() is not None:
        return
    family = list(kernel.tree(process.pid))
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_PATIENCE)
    # A service that blocks its event loop does not hear a polite word.
    for pid in family:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    process.wait()


# --- visible tests ------------------------------------------------------------------------------


def run_visible_tests(kata: Kata, arguments: Sequence[str]) -> int:
    """Runs the kata's own tests by pytest, in its folder; returns pytest's exit code."""
    _needs("pytest")
    colours = [] if screen.coloured() else ["--color=no"]
    command = [*VISIBLE_TESTS, *colours, *arguments]
    interrupts: list[bool] = []
    # Ctrl-C is for pytest, and for the debugger in it.
    before = signal.signal(signal.SIGINT, lambda *_: interrupts.append(True))
    try:
        code = subprocess.run(command, cwd=kata.folder).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts and code:
        raise KeyboardInterrupt
    return code


def _needs(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        raise UsageError(f"{library} is not here; run: nox -s env, then use .nox/env/bin/kata")
