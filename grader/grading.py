"""One submission, one kata, one slot: a verdict."""

import concurrent.futures
import contextlib
import dataclasses
import pathlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from grader import __version__
from grader.catalog import Behaviour, Kata
from grader.engines.base import Box, Engine, Slot
from grader.errors import EngineTrouble, GraderError, Stopped
from grader.job import Job
from grader.submission import IGNORED_FOLDERS, Submission, hash_files, is_left_behind
from grader.verdict import BehaviourResult, Cause, Finding, Outcome, Usage, Verdict

_SAMPLE_SECONDS = 0.25
#: A grading that may be stopped looks so often whether it is to stop.
_STOP_SECONDS = 0.02
#: The judge ends by itself within its limits; so much later it counts as gone.
_BACKSTOP_SECONDS = 15.0
#: A judge tells so soon of a box that was lost while it was in use.
_LOST_SECONDS = 3.0
_TRIES = 2


@dataclasses.dataclass(frozen=True)
class Task:
    """A grading to be done."""

    kata: Kata
    submission: Submission
    seed: int
    label: str = ""
    #: Ids of the only behaviours to be tried, for an author's proof; a learner's verdict has all.
    only: frozenset[str] | None = None

    @property
    def behaviours(self) -> list[Behaviour]:
        return [b for b in self.kata.behaviours if self.only is None or b.id in self.only]


#: Told of each behaviour as its result arrives.
OnResult = Callable[[Task, BehaviourResult], None]


def new_seed() -> int:
    """A seed that nobody can foresee. It stands in the verdict, so that it can be replayed."""
    return secrets.randbelow(2**31)


def kata_hash(kata: Kata) -> str:
    """Hash of what decides a verdict on the kata's side: contract, fixed files, hidden tests."""
    hidden = {f"hidden/{name}": content for name, content in kata.hidden_tests.items()}
    contract = (kata.folder / "kata.toml").read_bytes()
    return hash_files({**fixed_files(kata), **hidden, "kata.toml": contract})


def fixed_files(kata: Kata) -> dict[str, bytes]:
    """The kata's own files that lie beside a submission in the box."""
    return {name: path.read_bytes() for name, path in _others(kata) if kata.is_fixed(name)}


def left_out(kata: Kata) -> list[str]:
    """What lies beside the kata's own files, and no grading takes along."""
    return [name for name, _ in _others(kata) if not kata.is_fixed(name)]


def _others(kata: Kata) -> Iterator[tuple[str, pathlib.Path]]:
    """Files in the kata's folder that are not to be edited, but for tests, texts and contract."""
    for path in sorted(kata.folder.rglob("*")):
        inside = path.relative_to(kata.folder)
        name = inside.as_posix()
        hidden = IGNORED_FOLDERS.intersection(inside.parts) or is_left_behind(path.name)
        aside = name in ("kata.toml", "README.md") or name.startswith("tests/")
        if path.is_file() and not hidden and not aside and not kata.is_editable(name):
            yield name, path


def job_for(task: Task, box: Box) -> Job:
    """What a judge is told to do, with these boxes."""
    kata = task.kata
    return Job(
        kata=kata.name,
        hidden=kata.hidden_tests,
        behaviours=[behaviour.id for behaviour in task.behaviours],
        files={**fixed_files(kata), **task.submission.files},
        submitted=sorted(task.submission.files),
        seed=task.seed,
        limits=kata.limits.model_dump(),
        preload=kata.contract.preload,
        port=box.port,
        zygote=box.zygote,
        lanes=box.lanes,
    )


def boxes(task: Task, slot: Slot, slots: int = 1) -> contextlib.AbstractContextManager[Box]:
    """What of a slot one grading uses, where so many slots are at work."""
    contract = task.kata.contract
    lanes = min(contract.side_by_side // slots, len(task.behaviours))
    return slot.box(contract.limits, contract.preload, max(lanes, 1))


def grade(
    task: Task,
    engine: Engine,
    slot: Slot,
    on_result: OnResult | None = None,
    slots: int = 1,
    stop: threading.Event | None = None,
) -> Verdict:
    """Grades once. Raises `EngineTrouble` when judge or box cannot do their work.

    The more slots are at work at once, the fewer behaviours are tried side by side in each. Once
    `stop` is set, the grading ends with `Stopped`, and the slot is ready for the next.
    """
    kata, started = task.kata, time.monotonic()
    slot.tell({"warm": kata.contract.preload})
    with boxes(task, slot, slots) as box:
        slot.tell(job_for(task, box).as_message())
        watch = _Watch(kata, box)
        reports = []
        for report in _reports(slot, watch, stop):
            reports.append(report)
            if on_result:
                for behaviour in task.behaviours:
                    if behaviour.id == report["behaviour"]:
                        on_result(task, _result(behaviour, [report], watch))
        watch.sample()
        results = tuple(
            _result(behaviour, [r for r in reports if r["behaviour"] == behaviour.id], watch)
            for behaviour in task.behaviours
        )
    if stop is not None and stop.is_set():
        raise Stopped(f"{kata.name}: the grading was stopped; there is no verdict")
    declared = {behaviour.id for behaviour in task.behaviours}
    if unknown := {report["behaviour"] for report in reports} - declared:
        raise EngineTrouble(f"{kata.name}: the judge told of unknown behaviours: {unknown}")
    return Verdict(
        kata=kata.name,
        title=kata.contract.title,
        kata_hash=kata_hash(kata),
        submission_hash=task.submission.hash,
        engine=engine.name,
        isolated=engine.isolated,
        image=engine.image,
        grader=__version__,
        seed=task.seed,
        behaviours=results,
        usage=watch.peak,
        seconds=time.monotonic() - started,
    )


def refused(kata: Kata, engine: Engine, reason: str) -> Verdict:
    """The verdict on a submission that is not fit to run."""
    finding = Finding(reason)
    return Verdict(
        kata=kata.name,
        title=kata.contract.title,
        kata_hash=kata_hash(kata),
        submission_hash=None,
        engine=engine.name,
        isolated=engine.isolated,
        image=engine.image,
        grader=__version__,
        seed=0,
        behaviours=tuple(
            BehaviourResult(
                b.id,
                b.sentence,
                b.group,
                b.points,
                Outcome.FAILED,
                Cause.REFUSED,
                finding,
                why=b.why,
            )
            for b in kata.behaviours
        ),
        refusal=reason,
    )


class KeptSlot:
    """A slot for many gradings, one after the other. A sick one is replaced."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stack = contextlib.ExitStack()
        self._slot: Slot | None = None
        self._ended = False

    def grade(
        self,
        task: Task,
        on_result: OnResult | None = None,
        slots: int = 1,
        stop: threading.Event | None = None,
    ) -> Verdict:
        """As `grade`. Trouble is tried again, the engine's on a new slot, before it is told."""
        for attempt in range(1, _TRIES + 1):
            try:
                slot = self._slot or self._stack.enter_context(self._engine.slot())
                if self._ended:
                    raise EngineTrouble("the grading was ended with its slot")
                self._slot = slot
                verdict = grade(task, self._engine, slot, on_result, slots, stop)
                if verdict.outcome is not Outcome.TROUBLE or attempt == _TRIES:
                    return verdict
            except (EngineTrouble, OSError):
                self._close()
                if attempt == _TRIES or self._ended:
                    raise
        raise AssertionError("not reached")

    def end(self) -> None:
        """Takes the slot down, for good; a grading on it, in another thread, ends in trouble."""
        self._ended = True
        self._close()

    def _close(self) -> None:
        self._slot = None
        with contextlib.suppress(EngineTrouble, OSError):
            self._stack.close()


class Slots:
    """A slot for each thread that grades, made when it is first needed.

    `at_once` says how many threads are at work.
    """

    def __init__(self, engine: Engine, at_once: int, on_result: OnResult | None = None) -> None:
        self.engine = engine
        #: Set when the gradings that still run are to be given up.
        self.ending = threading.Event()
        self._at_once = at_once
        self._on_result = on_result
        self._own = threading.local()
        self._all: list[KeptSlot] = []

    def grade(self, task: Task) -> Verdict | GraderError:
        """The verdict, or the trouble that stands in its place."""
        if getattr(self._own, "slot", None) is None:
            self._own.slot = KeptSlot(self.engine)
            self._all.append(self._own.slot)
        slot: KeptSlot = self._own.slot
        try:
            if self.ending.is_set():
                raise EngineTrouble("the grading was ended with its slot")
            return slot.grade(task, self._on_result, self._at_once)
        except OSError as error:
            return EngineTrouble(str(error))
        except GraderError as error:
            return error

    def close(self) -> None:
        """Ends all slots, and with them the gradings that still run."""
        self.ending.set()
        for slot in self._all:
            slot.end()


def grade_all(
    engine: Engine, tasks: Iterable[Task], jobs: int, on_result: OnResult | None = None
) -> Iterator[tuple[Task, Verdict | GraderError]]:
    """Grades every task on at most `jobs` slots; yields as they end, in no certain order.

    Trouble of the engine's is tried again on a new slot, then yielded in the verdict's place.
    """
    waiting = list(tasks)
    for task in waiting:
        # Read and parsed once, and here: Python's parser does not bear several threads at once.
        _ = task.kata.hidden_tests
    workers = max(1, min(jobs, len(waiting)))
    slots = Slots(engine, workers, on_result)
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    try:
        tasks_of = {pool.submit(slots.grade, task): task for task in waiting}
        for future in concurrent.futures.as_completed(tasks_of):
            yield tasks_of[future], future.result()
    finally:
        # After Ctrl-C the slots go first: that ends the gradings which still run, for good.
        slots.ending.set()
        pool.shutdown(wait=False, cancel_futures=True)
        slots.close()
        pool.shutdown(wait=True)


class _Watch:
    """Looks at the boxes from outside, and remembers why one had to be ended."""

    def __init__(self, kata: Kata, box: Box) -> None:
        self.peak = Usage()
        self.box = box
        self.out_of_time = False
        self.wall_seconds = kata.limits.wall_seconds
        self._limits = kata.limits
        self._next = 0.0
        self._exceeded: dict[int, tuple[Cause, str]] = {}

    def sample_if_due(self) -> None:
        if time.monotonic() >= self._next:
            self.sample()
            self._next = time.monotonic() + _SAMPLE_SECONDS

    def sample(self) -> None:
        lanes, limits = self.box.usage(), self._limits
        if not lanes:
            return
        cpu, memory, processes = (
            _known(sum, values)
            for values in zip(*map(dataclasses.astuple, lanes.values()), strict=True)
        )
        peaks = zip(dataclasses.astuple(self.peak), (cpu, memory, processes), strict=True)
        self.peak = Usage(*(_known(max, pair) for pair in peaks))
        for lane, used in lanes.items():
            if (cpu or 0) > limits.cpu_seconds:
                told = f"the box used more than {limits.cpu_seconds} s of CPU"
                self._end(lane, Cause.TIMED_OUT, told)
            elif (used.memory_mb or 0) > limits.box_memory_mb:
                told = f"the box used more than {limits.box_memory_mb} MB"
                self._end(lane, Cause.OUT_OF_MEMORY, told)

    def _end(self, lane: int, cause: Cause, told: str) -> None:
        if lane not in self._exceeded:
            self._exceeded[lane] = cause, told
            self.box.kill(lane)

    def lost(self, lane: int) -> tuple[Cause, str]:
        """Why a box does not answer any more."""
        if lane in self._exceeded:
            return self._exceeded[lane]
        fate = self.box.fate(lane)
        if fate == "memory":
            return Cause.OUT_OF_MEMORY, "the box ran out of memory"
        if fate == "ended":
            return Cause.CRASHED, "the box was brought down from inside"
        return Cause.TROUBLE, "the box was lost"


def _known(reduce: Callable[[list[Any]], Any], values: Iterable[Any]) -> Any:
    """`reduce` of those values that an engine could tell; None if there are none."""
    known = [value for value in values if value is not None]
    return reduce(known) if known else None


def _reports(slot: Slot, watch: _Watch, stop: threading.Event | None) -> Iterator[dict[str, Any]]:
    """The judge's messages until it is done, with a look at the box in between."""
    patience = _SAMPLE_SECONDS if stop is None else _STOP_SECONDS
    give_up = time.monotonic() + watch.wall_seconds + _BACKSTOP_SECONDS
    lost_at = None
    begun = stopping = False
    while True:
        if stop is not None and stop.is_set() and not stopping:
            slot.tell({"stop": True})
            stopping = True
        watch.sample_if_due()
        try:
            report = slot.hear(patience)
        except TimeoutError:
            now = time.monotonic()
            if now > give_up:
                raise EngineTrouble("the judge did not end in time") from None
            if not begun and watch.box.zygote is None and watch.box.fate(0) is not None:
                # A cold box that never came up: the judge would wait for it in vain.
                lost_at = lost_at or now
                if now - lost_at > _LOST_SECONDS:
                    raise EngineTrouble("the box ended before it began") from None
            continue
        if "trouble" in report:
            raise EngineTrouble(str(report["trouble"]))
        if "done" in report:
            watch.out_of_time = report["done"] == "out of time"
            return
        begun = True
        yield report


def _finding(told: dict[str, Any]) -> Finding:
    return Finding(**{**told, "timeline": tuple(told["timeline"])})


def _result(behaviour: Behaviour, reports: list[dict[str, Any]], watch: _Watch) -> BehaviourResult:
    """One behaviour's result: passed only by exactly one report that says so."""
    outcome, cause, finding, seconds = Outcome.FAILED, None, None, 0.0
    if len(reports) > 1:
        outcome, cause = Outcome.TROUBLE, Cause.TROUBLE
        finding = Finding("its hidden test ran more than once")
    elif not reports and watch.out_of_time:
        cause, finding = Cause.TIMED_OUT, Finding("not reached before the grading's time was up")
    elif not reports:
        outcome, cause = Outcome.TROUBLE, Cause.TROUBLE
        finding = Finding("its hidden test did not run")
    else:
        report = reports[0]
        outcome, seconds = Outcome(report["outcome"]), report["seconds"]
        if outcome is not Outcome.PASSED:
            if report["cause"] is None:
                cause, text = watch.lost(report["lane"])
                finding = Finding(text)
                outcome = Outcome.TROUBLE if cause is Cause.TROUBLE else Outcome.FAILED
            else:
                cause, finding = Cause(report["cause"]), _finding(report["finding"])
    return BehaviourResult(
        behaviour.id,
        behaviour.sentence,
        behaviour.group,
        behaviour.points,
        outcome,
        cause,
        finding,
        seconds,
        behaviour.why,
    )
