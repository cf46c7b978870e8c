"""`kata watch`: which view, and the plain one, in lines; `fullscreen` is the other."""

import contextlib
import os
import pathlib
import queue
import select
import shutil
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

from grader import starter
from grader.catalog import Catalog, Kata
from grader.cli import screen
from grader.cli.arguments import INTERRUPTED
from grader.engines.base import Engine
from grader.errors import GraderError
from grader.progress import Progress, suggested
from grader.verdict import Outcome
from grader.watching import Phase, Sight, Watching, next_kata

#: Below this, lines do better than a full screen.
_MIN_COLUMNS, _MIN_LINES = 60, 16
#: Each key with its word, in both views.
KEYS = {"h": "hint", "n": "next", "l": "list", "t": "tests", "o": "README", "r": "reset",
        "g": "grade", "q": "quit"}  # fmt: skip
_TICK_SECONDS = 1.0
#: Whatever does not come to its end in good order within this time is left behind.
_END_SECONDS = 10.0


def run(engine: Engine, catalog: Catalog, kata: Kata, *, manual: bool, plain: bool) -> None:
    """Watches until the learner quits. Raises `KeyboardInterrupt` when it is interrupted."""
    progress = Progress(catalog.root)
    watching = Watching(engine, kata, progress, manual=manual)
    try:
        watching.start()
        threading.Thread(target=_end_with_terminal, args=(watching,), daemon=True).start()
        if plain or not _fits_full_screen():
            _Lines(watching, catalog).run()
        else:
            # It costs a third of a second, which the slot has use for.
            from grader.cli import fullscreen

            fullscreen.run(watching, catalog)
    finally:
        _close(watching)
    if watching.defect is not None:
        raise watching.defect


def end_now(watching: Watching) -> NoReturn:
    """Takes everything down, from whatever thread, and ends the process."""
    try:
        _close(watching)
    finally:
        os._exit(INTERRUPTED)


def put_starter_back(kata: Kata, catalog: Catalog) -> pathlib.Path | None:
    """The patch with the learner's version, if it was not the starter. Raises `GraderError`."""
    patch = starter.put_back(kata, catalog.root, starter.find(kata, catalog.root))
    return patch.relative_to(catalog.root) if patch else None


def watched(watching: Watching) -> str:
    """What is watched, and how."""
    kata, engine = watching.kata, watching.engine
    words = [f"{kata.contract.title} ({kata.short_name})", kata.level_name,
             f"{kata.contract.minutes} minutes", f"engine {engine.name}"]  # fmt: skip
    if not engine.isolated:
        words.append("NOT ISOLATED: the code runs with all the rights of this user")
    return ", ".join(words)


def status(sight: Sight) -> str:
    """How the grading that is under way goes, or how the latest went."""
    done = sum(row.current for row in sight.rows)
    if sight.phase is Phase.WARMING:
        return "making ready for the first grading"
    if sight.phase is Phase.GRADING:
        return f"grading: {done} of {len(sight.rows)} behaviours tried"
    if sight.refusal is not None:
        return screen.plain(f"refused: {sight.refusal}; nothing was run")
    if sight.trouble is not None:
        return screen.plain(f"the grader's trouble, not yours: {sight.trouble}; g grades again")
    words = []
    if sight.verdict is not None and sight.at is not None:
        verdict = sight.verdict
        held = sum(result.passed for result in verdict.behaviours)
        words = [f"{held} of {len(verdict.behaviours)} behaviours hold",
                 f"{verdict.points} of {verdict.points_possible} points",
                 f"{verdict.seconds:.1f} s, at {sight.at:%H:%M:%S}"]  # fmt: skip
        if verdict.outcome is Outcome.TROUBLE:
            words.append("part of it the grader's trouble, not yours: g grades again")
    return ", ".join(words) + ("; saved since: g grades it" if sight.stale else "")


def solved(kata: Kata) -> str:
    """What can follow a pass."""
    return ("Solved. n goes on. The walkthrough, and your code beside the reference: "
            f"{screen.program()} solution {kata.short_name}")  # fmt: skip


def _close(watching: Watching) -> None:
    too_late = threading.Timer(_END_SECONDS, os._exit, [INTERRUPTED])
    too_late.daemon = True
    too_late.start()
    watching.close()
    too_late.cancel()


def _end_with_terminal(watching: Watching) -> None:
    """Waits until nobody can see the view any more, be there a signal that says so or not."""
    if not hasattr(select, "poll"):
        return
    gone = select.poll()
    for stream in (sys.__stdin__, sys.__stdout__):
        # A pipe may well have nothing more to say.
        if stream is not None and (stream is sys.__stdout__ or stream.isatty()):
            gone.register(stream.fileno(), 0)
    if any(event & (select.POLLHUP | select.POLLERR) for _, event in gone.poll()):
        end_now(watching)


def _fits_full_screen() -> bool:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is None or not stream.isatty():
            return False
    columns, lines = shutil.get_terminal_size()
    return screen.can_draw() and columns >= _MIN_COLUMNS and lines >= _MIN_LINES


class _Lines:
    """The plain view: each verdict in lines, keys with Enter."""

    def __init__(self, watching: Watching, catalog: Catalog) -> None:
        self._watching = watching
        self._catalog = catalog
        #: What was typed; None when there is something new to see.
        self._news = queue.SimpleQueue[str | None]()
        self._shown: tuple[str, int] | None = None
        self._told: tuple[str, Phase, bool] | None = None
        self._sure = False

    def run(self) -> None:
        self._watching.on_change = lambda: self._news.put(None)
        _print_watched(self._watching)
        keyboard = _keyboard()
        if keyboard is not None:
            threading.Thread(target=self._listen, args=(keyboard,), daemon=True).start()
            _say_keys()
        while self._watching.defect is None:
            self._show()
            # Where a wait cannot be interrupted, it ends soon.
            with contextlib.suppress(queue.Empty):
                typed = self._news.get(timeout=_TICK_SECONDS)
                try:
                    if typed is not None and not self._obey(typed[:1]):
                        return
                except GraderError as error:
                    screen.say(str(error))

    def _show(self) -> None:
        """What is new since the last time."""
        sight = self._watching.sight
        told = sight.kata.name, sight.phase, sight.stale
        if sight.phase is not Phase.WAITING:
            if told != self._told:
                screen.say(sight.phase)
        elif self._shown != (sight.kata.name, sight.ended):
            self._shown = sight.kata.name, sight.ended
            _print_sight(sight)
        elif told != self._told and sight.stale:
            screen.say("saved; g grades it")
        self._told = told

    def _listen(self, keyboard: int) -> None:
        for line in _lines(keyboard):
            self._news.put(line.strip().lower())
        if os.isatty(keyboard):
            # Ctrl-D, say; a pipe or file just has no more keys.
            self._news.put("q")

    def _obey(self, key: str) -> bool:
        """Does what a key asks for; False to quit."""
        watching, catalog, kata = self._watching, self._catalog, self._watching.kata
        sure, self._sure = self._sure, False
        progress = watching.progress
        if key == "q":
            return False
        if key == "h" and kata.hints:
            screen.print_hint(kata, progress.next_hint(kata))
        elif key == "n":
            watching.turn_to(next_kata(kata, catalog.katas, progress))
            _print_watched(watching)
        elif key == "l":
            records = [(each, progress.of(each)) for each in catalog.katas]
            screen.print_list(records, suggested(records))
        elif key == "t":
            tests = watching.run_tests(screen.columns())
            try:
                screen.print_output(tests.wait())
            finally:
                tests.end()
        elif key == "o":
            screen.print_readme(kata, progress.of(kata))
        elif key == "r" and not sure:
            self._sure = True
            screen.say("r again puts the starter back and keeps your version as a patch")
        elif key == "r":
            screen.print_reset(kata, put_starter_back(kata, catalog))
        elif key == "g":
            watching.grade()
        elif key not in KEYS:
            _say_keys()
        return True


def _say_keys() -> None:
    keys = ", ".join(f"{key} {word}" for key, word in KEYS.items())
    screen.say(f"keys, each with Enter: {keys}")


def _keyboard() -> int | None:
    """The descriptor that keys come from, if there is one and it is ours to read."""
    try:
        descriptor = sys.stdin.fileno()
        if os.name == "posix" and os.isatty(descriptor):
            # In the background, a read would stop the whole process.
            return descriptor if os.tcgetpgrp(descriptor) == os.getpgrp() else None
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor


def _lines(descriptor: int) -> Iterator[str]:
    """The lines of a descriptor; sys.stdin itself must not be held when the interpreter ends."""
    rest = b""
    with contextlib.suppress(OSError):
        while part := os.read(descriptor, 1024):
            *lines, rest = (rest + part).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)


def _print_watched(watching: Watching) -> None:
    screen.print_line(watched(watching), "bold")


def _print_sight(sight: Sight) -> None:
    """Where a watched kata is now, and the newest observation."""
    screen.print_lines([""])
    if sight.refusal is None and sight.trouble is None:
        for row in sight.rows:
            change = f" ({row.change})" if row.change else ""
            screen.print_row(row.result, row.behaviour.sentence + change)
        if sight.newest is not None:
            screen.print_line(f"  {sight.newest.id}", "bold")
            screen.print_details(sight.newest)
    screen.print_line(status(sight), "bold green" if sight.passed else "bold")
    if sight.passed:
        screen.print_line(solved(sight.kata))
