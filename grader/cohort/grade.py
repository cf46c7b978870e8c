"""What of a cohort is due, graded on this machine or on a cluster, and kept as it falls.

Only verdicts that were committed count as graded, so a grader may be killed at any moment: the
next one finds the same work due, with the same seeds. Several may be at work at once: the store
keeps the first verdict of each grading.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import functools
import heapq
import itertools
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import jsonschema

from grader import __version__, grading, verdict
from grader.catalog import Kata
from grader.cohort.config import Cohort
from grader.cohort.records import Edition, HandIn, edition_of
from grader.cohort.store import Store
from grader.engines import choose
from grader.engines.base import Engine, Progress
from grader.errors import EngineTrouble, GraderError, UsageError
from grader.grading import Slots, Task
from grader.submission import Submission
from grader.verdict import Outcome, Verdict

#: Seconds before each further try of a grading that ended in trouble; after the last it is parked.
PAUSES = (2.0, 15.0, 60.0)
#: An engine that is gone is waited for so long before a run gives up.
PATIENCE = 300.0
_LONGEST_PAUSE = 15.0
_HEARTBEAT = 5.0
#: A run that gave a sign of life so lately is at work.
_ALIVE = dt.timedelta(minutes=1)
_LOOK_SECONDS = 0.5
#: The engine and what it runs on that a cohort is graded with, once `auto` has been decided.
_ENGINE_FACT, _IMAGE_FACT = "engine", "image"


@dataclasses.dataclass(frozen=True)
class Due:
    """One grading to be done."""

    key: str
    kata: Kata
    submission: str
    edition: Edition
    #: Whose work it is; several, if they handed in the same bytes.
    learners: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Done:
    """What became of it: a verdict, trouble that is tried again later, or parked trouble."""

    due: Due
    #: As `Verdict.as_json` gives it; None for trouble, or if another grader was faster, or its
    #: learner was forgotten meanwhile.
    verdict: Mapping[str, Any] | None
    trouble: str = ""
    parked: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing more is tried in this run."""
        return not self.trouble or self.parked


class Place(Protocol):
    """Where gradings are done. Its answers are plain data: see `attempt`."""

    #: The engine's name, and its image or else its name again.
    engine: str
    image: str

    def at_once(self) -> int:
        """How many to hand out. Raises `EngineTrouble` when nothing is left to do them."""

    def submit(
        self, kata: Kata, submission: Submission, seed: int
    ) -> concurrent.futures.Future[str]: ...

    def close(self) -> None:
        """Gives up what is still at work, at once."""


def choose_engine(
    name: str, progress: Progress, *, without_isolation: bool
) -> tuple[Engine, list[str]]:
    """As `engines.choose`, but an engine without walls is refused unless told twice."""
    engine, passed_over = choose(name, progress)
    if not engine.isolated and not (without_isolation and name == engine.name):
        raise UsageError(
            "\n".join(
                [
                    f"the engine {engine.name} isolates nothing: any learner's code could read the "
                    "roster and every other learner's work. Make docker or bubblewrap work (kata "
                    "doctor says how). On a machine that holds nothing else: --engine "
                    f"{engine.name} --without-isolation",
                    *passed_over,
                ]
            )
        )
    return engine, passed_over


def engine_name(cohort: Cohort, store: Store, asked: str | None) -> str:
    """The engine asked for, else cohort.toml's; `auto` stays with what it has been decided to.

    Otherwise a daemon that is down for a day would make all work due again, on another engine.
    """
    name = asked or cohort.config.engine
    return (store.fact(_ENGINE_FACT) or name) if name == "auto" else name


def plan(
    store: Store,
    place: Place,
    katas: Sequence[Kata],
    learners: Collection[str] | None = None,
    *,
    asked_for: bool = False,
) -> list[Due]:
    """All due work on these katas, fairly ordered: the first of each learner, then the second.

    Parked trouble is left out (`Store.unpark`). An engine that was asked for is this run's alone:
    `auto` and `due_now` stay with the one before.
    """
    if not asked_for:
        store.set_fact(_ENGINE_FACT, place.engine)
    if not asked_for or store.fact(_IMAGE_FACT) is None:
        store.set_fact(_IMAGE_FACT, place.image)
    hand_ins = _hand_ins(store, katas, learners)
    editions = _editions(place.image, katas)
    by_name = {kata.name: kata for kata in katas}
    order = {kata.name: position for position, kata in enumerate(katas)}
    due = _due(store, editions, hand_ins)
    piles: dict[str, list[Due]] = {}
    for name, submission in sorted(due, key=lambda place: order[place[0]]):
        owners = tuple(due[name, submission])
        key = editions[name].key(submission)
        piles.setdefault(owners[0], []).append(
            Due(key, by_name[name], submission, editions[name], owners)
        )
    rounds = itertools.zip_longest(*piles.values())
    # Within a round by kata: a slot stays warm for one as long as there is any.
    return [
        due
        for one in rounds
        for due in sorted(filter(None, one), key=lambda due: order[due.kata.name])
    ]


def renewed(store: Store, image: str, katas: Sequence[Kata]) -> dict[str, str]:
    """The edition (id) of each kata (full name) that has changed since its marks were made.

    Verdicts under it count once it is applied.
    """
    return {name: edition.id for name, edition in _editions(image, katas).items()
            if store.applied(name) not in (None, edition.id)}  # fmt: skip


def due_now(
    store: Store, katas: Sequence[Kata], hand_ins: Sequence[HandIn]
) -> Collection[tuple[str, str]]:
    """Kata and submission of what would be graded now, with the cohort's engine."""
    return _due(store, _editions(store.fact(_IMAGE_FACT) or "", katas), hand_ins)


def why_nothing(store: Store, katas: Sequence[Kata], learners: Collection[str] | None) -> str:
    """The words for a plan of these that is empty."""
    names = [kata.name for kata in katas]
    hand_ins = _hand_ins(store, katas, learners)
    if not hand_ins:
        return "nothing is handed in yet, so collect first"
    if not any(each.submission for each in hand_ins):
        return "all that is handed in was refused"
    if any(each.parked and each.kata in names for each in store.troubles()):
        return "all that is handed in is graded already, or parked"
    return "all that is handed in is graded already"


def _hand_ins(
    store: Store, katas: Sequence[Kata], learners: Collection[str] | None
) -> list[HandIn]:
    # Not in the query: a whole roster may be more values than a database takes.
    wanted = None if learners is None else set(learners)
    return [each for each in store.hand_ins(katas=[kata.name for kata in katas])
            if wanted is None or each.learner in wanted]  # fmt: skip


def _editions(image: str, katas: Sequence[Kata]) -> dict[str, Edition]:
    return {kata.name: Edition(grading.kata_hash(kata), image, __version__) for kata in katas}


def _due(
    store: Store, editions: Mapping[str, Edition], hand_ins: Sequence[HandIn]
) -> dict[tuple[str, str], dict[str, None]]:
    """Kata and submission of each hand-in that is neither graded nor parked; and whose it is."""
    settled = store.graded([edition.id for edition in editions.values()])
    for each in store.troubles():
        edition = editions.get(each.kata)
        if each.parked and edition and edition.key(each.submission) == each.key:
            settled.add((each.kata, each.submission))
    due: dict[tuple[str, str], dict[str, None]] = {}
    for hand_in in hand_ins:
        if hand_in.submission and (place := (hand_in.kata, hand_in.submission)) not in settled:
            due.setdefault(place, {})[hand_in.learner] = None
    return due


def carry_out(
    store: Store, place: Place, work: Sequence[Due], pauses: Sequence[float] = PAUSES
) -> Iterator[Done]:
    """Does all that is due; yields as it is kept.

    Raises `StoreTrouble` when nothing can be kept any more, `EngineTrouble` when nothing can be
    graded any more. Either way, and when it is closed early, what was yielded is safe.
    """
    if not work:
        return
    waiting = collections.deque(work)
    later: list[tuple[float, int, Due]] = []
    at_work: dict[concurrent.futures.Future[str], Due] = {}
    numbers = itertools.count()
    graded = troubles = 0
    run = store.begin_run(place.engine, max(place.at_once(), 1), len(work), _now())
    if any(each.id != run and each.ended is None and _now() - each.seen < _ALIVE
           for each in store.runs()):  # fmt: skip
        # Elsewhere in the pile than they are, however many: multiples of the golden ratio.
        waiting.rotate(-int(len(waiting) * (run * 0.618 % 1)))
    beat = time.monotonic()
    try:
        while waiting or later or at_work:
            while len(at_work) < place.at_once():
                if later and later[0][0] <= time.monotonic():
                    due = heapq.heappop(later)[2]
                elif waiting:
                    due = waiting.popleft()
                else:
                    break
                if store.has_grading(due.key):
                    graded += 1
                    yield Done(due, None)
                    continue
                try:
                    submission = store.submission(due.kata.name, due.submission)
                except KeyError:  # its learner was forgotten
                    graded += 1
                    yield Done(due, None)
                    continue
                at_work[place.submit(due.kata, submission, store.seed(due.key))] = due
            if at_work:
                done, _ = concurrent.futures.wait(
                    at_work, _LOOK_SECONDS, concurrent.futures.FIRST_COMPLETED
                )
            else:
                done = set()
                time.sleep(_LOOK_SECONDS if not later else
                           min(max(later[0][0] - time.monotonic(), 0), _LOOK_SECONDS))  # fmt: skip
            for future in done:
                due = at_work.pop(future)
                result, told = _result(future, due)
                if result is not None:
                    new = store.add_grading(result, _now())
                    graded += 1
                    yield Done(due, result if new else None)
                    continue
                trouble = store.note_trouble(
                    due.key, due.submission, due.kata.name, told, _now(), most=len(pauses) + 1
                )
                troubles += trouble.parked
                if not trouble.parked:
                    pause = pauses[min(trouble.tries, len(pauses)) - 1]
                    heapq.heappush(later, (time.monotonic() + pause, next(numbers), due))
                yield Done(due, None, told, trouble.parked)
            if time.monotonic() - beat > _HEARTBEAT:
                store.note_run(run, graded, troubles, _now())
                beat = time.monotonic()
    finally:
        with contextlib.suppress(GraderError):
            store.note_run(run, graded, troubles, _now(), ended=True)


def _result(future: concurrent.futures.Future[str], due: Due) -> tuple[dict[str, Any] | None, str]:
    """A verdict that fits what was due, or what the trouble is. Raises when all is in vain."""
    try:
        answer: dict[str, Any] = json.loads(future.result())
    except concurrent.futures.CancelledError:
        return None, "the worker was lost"
    except Exception as error:  # what a cluster may raise for a worker that is gone
        return None, f"the worker was lost ({type(error).__name__}: {error})"
    if "gone" in answer:
        raise EngineTrouble(
            f"{answer['gone']}; waited {PATIENCE:.0f} s for it. What was graded is kept: mend it, "
            "and run the same command again"
        )
    document = answer.get("verdict")
    if document is None:
        return None, str(answer["trouble"])
    if not _validator().is_valid(document):
        return None, "what came back is no verdict"
    if edition_of(document) != due.edition or document["submission"]["hash"] != due.submission:
        return None, "graded with other katas or another grader than are here; use the same clone"
    return document, ""


@functools.cache
def _validator() -> jsonschema.protocols.Validator:
    schema = verdict.schema()
    return jsonschema.validators.validator_for(schema)(schema)


def attempt(slots: Slots, task: Task, patience: float, *, alone: bool) -> str:
    """One grading as JSON: {"verdict": …}, {"trouble": "why"} or {"gone": "the engine's problem"}.

    While the engine as a whole does not work, it is waited for: that is no grading's trouble.
    With `alone`, nobody else could do it, and an engine that stays away ends the run.
    """
    give_up = time.monotonic() + patience
    pause = 1.0
    while True:
        result = slots.grade(task)
        if isinstance(result, Verdict) and result.outcome is not Outcome.TROUBLE:
            return json.dumps({"verdict": result.as_json()})
        problem = slots.engine.problem()
        if problem is None or slots.ending.is_set():
            return json.dumps({"trouble": _told(result)})
        while problem is not None and not slots.ending.is_set():
            if time.monotonic() > give_up:
                return json.dumps({"gone" if alone else "trouble": problem})
            slots.ending.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            problem = slots.engine.problem()


def _told(result: Verdict | GraderError) -> str:
    if isinstance(result, GraderError):
        return str(result)
    each = next(each for each in result.behaviours if each.outcome is Outcome.TROUBLE)
    return f"{each.id}: {each.finding.observed if each.finding else 'trouble'}"


class Here:
    """This machine: threads, each with a slot of its own."""

    def __init__(self, engine: Engine, jobs: int, patience: float = PATIENCE) -> None:
        self.engine = engine.name
        self.image = engine.image or engine.name
        self._jobs = jobs
        self._patience = patience
        self._slots = Slots(engine, jobs)
        self._pool = concurrent.futures.ThreadPoolExecutor(jobs)

    def at_once(self) -> int:
        # One more than there are slots, so that none waits for the store.
        return self._jobs + 1

    def submit(
        self, kata: Kata, submission: Submission, seed: int
    ) -> concurrent.futures.Future[str]:
        # Read and parsed here: Python's parser does not bear several threads at once.
        _ = kata.hidden_tests
        task = Task(kata, submission, seed)
        return self._pool.submit(attempt, self._slots, task, self._patience, alone=True)

    def close(self) -> None:
        self._slots.ending.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._slots.close()
        self._pool.shutdown(wait=True)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
