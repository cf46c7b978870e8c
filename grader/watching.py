"""Grading while somebody works: what is graded when, and what has changed since the last time.

It shows nothing itself: a view asks a `Watching` for its `sight` whenever it tells of a new one.
"""

import contextlib
import dataclasses
import enum
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from grader import grading
from grader.catalog import Behaviour, Kata
from grader.engines import local
from grader.engines.base import Engine
from grader.errors import GraderError, Stopped
from grader.grading import KeptSlot, Task
from grader.progress import Progress, State
from grader.submission import Submission, collect
from grader.verdict import BehaviourResult, Outcome, Verdict

#: A save is told of once no other has followed for so long, or after so long in any case.
_STEP_MS, _DEBOUNCE_MS = 20, 50
#: So often the files are looked at as well: some file systems tell of no saves, and some get lost.
_SCAN_MS = 500
#: A submission that is refused may be half saved: it is looked at again after so long.
_SETTLE_SECONDS = 0.1
#: A grading that is stopped ends by itself within this time, unless its slot is not warm yet.
_END_SECONDS = 0.3
#: The command that runs a kata's visible tests, in its folder.
VISIBLE_TESTS = (sys.executable, "-m", "pytest", "tests")
#: Of what visible tests print, so much of the end is kept.
_MAX_OUTPUT_BYTES = 200_000


class Phase(enum.StrEnum):
    """What a `Watching` is doing."""

    #: The kata's first grading is under way, and has no result yet: a slot is being made warm.
    WARMING = "warming up"
    GRADING = "grading"
    WAITING = "waiting"


class Change(enum.StrEnum):
    """How a behaviour's outcome differs from that in the verdict before."""

    NONE = ""
    MENDED = "now holds"
    BROKEN = "no longer holds"


@dataclasses.dataclass(frozen=True)
class Row:
    """One behaviour: its latest result, if any, and how that differs from the one before."""

    behaviour: Behaviour
    result: BehaviourResult | None = None
    change: Change = Change.NONE
    #: False as long as the grading under way has not come to it: the result is an older one.
    current: bool = False


@dataclasses.dataclass(frozen=True)
class Sight:
    """All there is to show, at one moment."""

    kata: Kata
    rows: Sequence[Row]
    phase: Phase = Phase.WARMING
    #: How many gradings have ended, and when the latest did.
    ended: int = 0
    at: datetime | None = None
    #: The latest verdict, also while the next grading is under way.
    verdict: Verdict | None = None
    #: Why the latest grading came to no verdict: what is saved was refused, or there was trouble.
    refusal: str | None = None
    trouble: str | None = None
    #: Whether something was saved that is graded only when somebody asks for it.
    stale: bool = False

    @property
    def passed(self) -> bool:
        """Whether what was graded last has passed."""
        if self.verdict is None or self.refusal is not None or self.trouble is not None:
            return False
        return self.verdict.outcome is Outcome.PASSED

    @property
    def newest(self) -> BehaviourResult | None:
        """The observation to show first: of what has just broken, else of the first that fails."""
        if self.refusal is not None or self.trouble is not None:
            return None
        failing = [row for row in self.rows if row.result and row.result.finding]
        broken = [row for row in failing if row.change is Change.BROKEN]
        return next((row.result for row in [*broken, *failing]), None)


class Watching:
    """Grades a kata at once, and again whenever one of its editable files is saved.

    A save during a grading ends that grading, and the newer state is graded: what was saved last
    always gets its verdict. `manual` leaves all but the first grading to `grade`. One slot stays
    warm from `start` to `close`.
    """

    def __init__(
        self, engine: Engine, kata: Kata, progress: Progress, *, manual: bool = False
    ) -> None:
        self.engine = engine
        self.progress = progress
        self.manual = manual
        #: Called, from any thread, when there is a new `sight`, or a `defect`.
        self.on_change: Callable[[], object] = lambda: None
        #: What broke in here, if anything did.
        self.defect: Exception | None = None
        self._slot = KeptSlot(engine)
        self._worker = threading.Thread(target=self._work, name="grading")
        self._tests: VisibleTests | None = None
        # Everything below changes only while this is held.
        self._news = threading.Condition()
        self._sight = Sight(kata, _rows(kata))
        self._closing = False
        #: What is saved now, and whether that is still to be graded.
        self._saved: _Saved | None = None
        self._wanted = False
        #: What was graded last, or is being graded now.
        self._graded: _Saved | None = None
        self._under_way = False
        #: Ends the grading under way, and the look-out for the kata's saves.
        self._stop = threading.Event()
        self._leave = threading.Event()

    @property
    def sight(self) -> Sight:
        return self._sight

    @property
    def kata(self) -> Kata:
        return self._sight.kata

    def start(self) -> None:
        self._worker.start()
        self.turn_to(self.kata)

    def turn_to(self, kata: Kata) -> None:
        """Watches this kata from now on."""
        with contextlib.suppress(GraderError):
            # Parsed here: Python's parser does not bear several threads at once.
            _ = kata.hidden_tests
        with self._news:
            self._sight = Sight(kata, _rows(kata))
            # What the kata before still had to be graded is no longer asked for.
            self._saved, self._wanted = None, False
            self._stop.set()
            self._leave.set()
            self._leave = leave = threading.Event()
        self.grade()
        # A thread for each kata: it waits in native code.
        threading.Thread(target=self._look_out, args=(kata, leave), name="saves").start()
        self.on_change()

    def grade(self) -> None:
        """Grades what is saved now, whether that is new or not."""
        kata = self.kata
        self._take(kata, _Saved.read(kata), asked=True)

    def run_tests(self, columns: int) -> "VisibleTests":
        """Starts the kata's visible tests."""
        self._tests = VisibleTests(self.kata, columns)
        return self._tests

    def close(self) -> None:
        """Ends the grading and the tests under way and takes the slot down. More calls are fine."""
        with self._news:
            self._closing = True
            self._stop.set()
            self._leave.set()
            self._news.notify()
        if self._tests is not None:
            self._tests.end()
        if self._worker.is_alive():
            self._worker.join(_END_SECONDS)
        if self._worker.is_alive():
            self._slot.end()
            self._worker.join()

    def _look_out(self, kata: Kata, leave: threading.Event) -> None:
        try:
            for _ in _moments(kata.folder, leave):
                self._take(kata, _Saved.read(kata))
        except Exception as error:
            self._break(error)

    def _take(self, kata: Kata, saved: "_Saved", *, asked: bool = False) -> None:
        """Has it graded, if it is new or was asked for; an outdated grading is ended."""
        with self._news:
            if kata is not self.kata or (saved == self._saved and not asked):
                return
            self._saved = saved
            known = self._graded is not None and self._graded.key == saved.key
            if asked or not self.manual:
                # What is saved again while it is being graded has its verdict soon.
                if asked or not (known and self._under_way and not self._stop.is_set()):
                    self._wanted = True
                    self._stop.set()
                    self._news.notify()
                return
        self._show(kata, stale=not known)

    # All gradings are done in one thread: some sandboxes end with the thread that has made them.

    def _work(self) -> None:
        try:
            while turn := self._next():
                with contextlib.suppress(Stopped):
                    self._grade(*turn)
        except Exception as error:
            if not self._closing:
                self._break(error)
        finally:
            self._slot.end()

    def _next(self) -> "tuple[Sight, _Saved, threading.Event] | None":
        """Waits for what is to be graded next; None when all ends."""
        with self._news:
            self._under_way = False
            self._news.wait_for(lambda: self._closing or self._wanted)
            if self._closing or self._saved is None:
                return None
            self._wanted, self._under_way = False, True
            self._graded, self._stop = self._saved, threading.Event()
            return self._sight, self._graded, self._stop

    def _grade(self, sight: Sight, saved: "_Saved", stop: threading.Event) -> None:
        kata, before = sight.kata, sight.verdict
        phase = Phase.WARMING if before is None else Phase.GRADING
        self._show(kata, phase=phase, rows=_rows(kata, before), refusal=None, trouble=None,
                   stale=False)  # fmt: skip
        if isinstance(saved.submission, str):
            self.progress.add(grading.refused(kata, self.engine, saved.submission))
            self._finish(kata, refusal=saved.submission)
            return

        def on_result(_: Task, result: BehaviourResult) -> None:
            if not stop.is_set():
                rows = _updated(self._sight.rows, result, before)
                self._show(kata, phase=Phase.GRADING, rows=rows)

        task = Task(kata, saved.submission, grading.new_seed())
        try:
            verdict = self._slot.grade(task, on_result, stop=stop)
        except Stopped:
            raise
        except (GraderError, OSError) as error:
            self._finish(kata, trouble=str(error))
            return
        # A starter that nobody has touched is no attempt.
        if saved.key != kata.contract.starter:
            self.progress.add(verdict)
        rows = _rows(kata)
        for result in verdict.behaviours:
            rows = _updated(rows, result, before)
        self._finish(kata, rows=rows, verdict=verdict)

    def _finish(self, kata: Kata, **changed: Any) -> None:
        ended = self._sight.ended + 1
        self._show(kata, phase=Phase.WAITING, ended=ended, at=datetime.now(), **changed)

    def _show(self, kata: Kata, **changed: Any) -> None:
        with self._news:
            if kata is not self.kata:
                return
            self._sight = dataclasses.replace(self._sight, **changed)
        self.on_change()

    def _break(self, error: Exception) -> None:
        self.defect = error
        self.on_change()


def _rows(kata: Kata, verdict: Verdict | None = None) -> list[Row]:
    """A kata's behaviours with their results in an older verdict."""
    results = {result.id: result for result in verdict.behaviours} if verdict else {}
    return [Row(behaviour, results.get(behaviour.id)) for behaviour in kata.behaviours]


def _updated(rows: Sequence[Row], result: BehaviourResult, before: Verdict | None) -> list[Row]:
    """The rows with a new result in its place."""
    change = Change.NONE
    for old in before.behaviours if before else ():
        if old.id == result.id and Outcome.TROUBLE not in (old.outcome, result.outcome):
            if result.passed and not old.passed:
                change = Change.MENDED
            elif old.passed and not result.passed:
                change = Change.BROKEN
    return [
        Row(row.behaviour, result, change, current=True) if row.behaviour.id == result.id else row
        for row in rows
    ]


@dataclasses.dataclass(frozen=True)
class _Saved:
    """What a learner has saved, at one moment; equal as long as nobody saves again."""

    #: The same for the same content.
    key: str
    #: When a file was written last, in ns.
    written: int
    #: Or why it is refused.
    submission: Submission | str = dataclasses.field(compare=False)

    @classmethod
    def read(cls, kata: Kata, *, again: bool = True) -> "_Saved":
        try:
            submission = collect(kata, kata.folder)
            written = max((kata.folder / name).stat().st_mtime_ns for name in submission.files)
        except (GraderError, OSError) as error:
            if again:
                time.sleep(_SETTLE_SECONDS)
                return cls.read(kata, again=False)
            return cls(str(error), 0, str(error))
        return cls(submission.hash, written, submission)


def _moments(folder: pathlib.Path, leave: threading.Event) -> Iterator[object]:
    """Yields soon after each change below a folder, and twice a second besides, until `leave`."""
    # Only here: it takes time to import.
    import watchfiles

    # Where the system has no more watches to give, or there is no folder now, looking has to do.
    with contextlib.suppress(OSError, RuntimeError):
        yield from watchfiles.watch(
            folder, watch_filter=None, step=_STEP_MS, debounce=_DEBOUNCE_MS,
            rust_timeout=_SCAN_MS, yield_on_timeout=True, stop_event=leave,
        )  # fmt: skip
    while not leave.wait(_SCAN_MS / 1000):
        yield None


def next_kata(kata: Kata, katas: Sequence[Kata], progress: Progress) -> Kata:
    """The next on the path that has not passed; where all have, just the next."""
    place = [each.name for each in katas].index(kata.name) + 1
    others = [*katas[place:], *katas[:place]]
    left = [each for each in others[:-1] if progress.of(each).state is not State.PASSED]
    return next(iter([*left, *others]))


class VisibleTests:
    """One run of a kata's visible tests: by the learner, with all the learner's rights."""

    def __init__(self, kata: Kata, columns: int) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the run
        self._process = subprocess.Popen(
            [*VISIBLE_TESTS, "-p", "no:cacheprovider"],
            cwd=kata.folder,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": str(columns), "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )

    def wait(self) -> str:
        """What it has printed, once it has ended."""
        self._process.wait()
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(size - _MAX_OUTPUT_BYTES, 0))
        return self._output.read().decode("utf-8", "replace")

    def end(self) -> None:
        """Ends it, with all that it has started."""
        if self._process.poll() is None:
            if os.name == "posix":
                local.end(self._process)
            else:
                self._process.kill()
