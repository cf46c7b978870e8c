"""The rounds: all ways grade the same submissions, each right beside the limit, again and again."""

import contextlib
import dataclasses
import random
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from grader.catalog import Kata
from grader.engines.base import Engine
from grader.grading import Task, new_seed
from grader.submission import collect
from grader.verify import REFERENCE, STARTER, answers
from tests.bench.meter import CORES, Spent, background, spent
from tests.bench.ways import Limit, Naive, Ours, Result, Way

#: Over so many submissions of each kata the start of slots is spread: a cohort's, in one run.
COHORT = 50
#: Whose limit is not that of the host's Python.
_LIMITS = dict.fromkeys(("naive", "docker"), "limit in image")
#: How often a round sets a way against its limit. The naive way is so far off that once will do.
_TURNS = {"naive": 1, "docker": 2, "bubblewrap": 2}
#: How many times ours the naive way's overhead must be, and how many times the limit's our CPU.
_RATIOS, _TIMES_LIMIT = {"docker": 15, "bubblewrap": 20}, 1.5
#: How often the pairs are drawn anew to see what else could have come, and the share that counts.
_DRAWS, _SHARE = 1000, 0.9


class Pair(NamedTuple):
    """What the same submissions cost in a way, and at the limit right before or after."""

    way: Spent
    limit: Spent


@dataclasses.dataclass
class Figures:
    """What was measured."""

    katas: list[str]
    submissions: int  # of each kata, in each round
    #: By way and kata.
    pairs: dict[str, dict[str, list[Pair]]]
    #: CPU seconds that the start of slots for all katas takes, by engine, one for each round.
    start: dict[str, list[float]]
    #: Seconds of one grading of the reference with nothing beside it, by kata and way.
    alone: dict[str, dict[str, float]]
    #: Gradings that did not come out as the kata says.
    surprises: list[str]


def compare(
    katas: Sequence[Kata], engines: Sequence[Engine], submissions: int, rounds: int, jobs: int,
    tell: Callable[[str], None],
) -> Figures:  # fmt: skip
    """Kata by kata, so that few slots are warm at a time.

    What the machine's host does to it changes within minutes, by more than our overhead is. So each
    way has the limit measured right beside it, before and after in turn.
    """
    figures = Figures([kata.short_name for kata in katas], submissions, {}, {}, {}, [])
    for kata in katas:
        name = kata.short_name
        with contextlib.ExitStack() as stack:
            ways = {way.name: way for way in all_ways(kata.contract.preload, engines, jobs, stack)}
            alone = figures.alone.setdefault(name, {})
            reference = _tasks(kata, [REFERENCE])
            for way in ways.values():
                tell(f"{name}: {way.name}, one grading alone")
                way.batch(_quick(kata, 1))
                alone[way.name] = round(spent(0.0, way.batch, reference)[0].wall, 3)
                # A slot that is one of several is made ready in another way.
                way.batch(_quick(kata, min(jobs, submissions)))
            for number in range(rounds):
                tasks = _tasks(kata, _mixed(kata, submissions, number))
                other = background()
                for way, turns in _TURNS.items():
                    for turn in range(turns if way in ways else 0):
                        tell(f"{name}: round {number + 1}, {way}")
                        costs = {}
                        both = [_limit(way, ways), way]
                        for each in both if (number + turn) % 2 else reversed(both):
                            costs[each], outcomes = spent(other, ways[each].batch, tasks)
                            figures.surprises += _surprises(each, tasks, outcomes)
                        pair = Pair(costs[way], costs[both[0]])
                        figures.pairs.setdefault(way, {}).setdefault(name, []).append(pair)
    with contextlib.ExitStack() as stack:
        preload = {module for kata in katas for module in kata.contract.preload}
        limit = Limit(sorted(preload), jobs, stack)
        tasks = [task for kata in katas for task in _quick(kata, jobs)]
        for number in range(rounds):
            tell(f"start of slots: round {number + 1}")
            other = background()
            least, _ = spent(other, limit.batch, tasks)
            for engine in engines:
                with contextlib.ExitStack() as slots:
                    whole, _ = spent(other, Ours(engine, jobs, slots).batch, tasks)
                figures.start.setdefault(engine.name, []).append(whole.cpu - least.cpu)
    return figures


def all_ways(
    preload: Sequence[str], engines: Sequence[Engine], jobs: int, stack: contextlib.ExitStack
) -> list[Way]:
    """The limit, the naive way where there is Docker, and ours on each engine.

    The image has another build of Python, so what runs in there has a limit of its own.
    """
    inside: list[Way] = []
    for engine in engines:
        if engine.name == "docker":
            image = str(engine.image)
            inside = [Limit(preload, jobs, stack, image), Naive(image, jobs)]
    return [Limit(preload, jobs, stack), *inside, *(Ours(e, jobs, stack) for e in engines)]


def _limit(way: str, ways: Collection[str]) -> str:
    own = _LIMITS.get(way, "limit")
    return own if own in ways else "limit"


def summary(figures: Figures) -> dict[str, Any]:
    """Seconds per grading and what follows from them, with the range of 9 out of 10 draws.

    Of each kata the median of its pairs, of these the mean. A draw takes as many pairs of each
    kata, at random, some of them more than once (the bootstrap): so much may another run differ. A
    goal is met if the worse end of its range meets it.
    """
    dice = random.Random(0)
    came = _from(figures, list)
    draws = [_from(figures, lambda of: dice.choices(of, k=len(of))) for _ in range(_DRAWS)]
    ways, goals = {}, []
    for way, columns in came.items():
        ways[way] = {name: _range(value, [drawn[way][name] for drawn in draws])
                     for name, value in columns.items()}  # fmt: skip
    for way in figures.start:
        if "naive" in came:
            ratio = _range(_naive_times(came, way), [_naive_times(drawn, way) for drawn in draws])
            goals.append(_goal(f"naive overhead / {way}'s", ratio, least=_RATIOS[way]))
        goals.append(_goal(f"{way}'s CPU / limit's", ways[way]["times_limit"], most=_TIMES_LIMIT))
    busy = max(cost.background for katas in figures.pairs.values() for pairs in katas.values()
               for pair in pairs for cost in pair)  # fmt: skip
    return {"ways": ways, "goals": goals, "background_cores": busy}


def _from(figures: Figures, draw: Callable[[list[Any]], list[Any]]) -> dict[str, dict[str, float]]:
    """Each way's columns, from what `draw` takes of each list of measurements."""
    limits, others = {}, {}
    for way, katas in figures.pairs.items():
        drawn = [draw(pairs) for pairs in katas.values()]

        def mean(amount: Callable[[Pair], float], drawn: list[list[Pair]] = drawn) -> float:
            medians = [statistics.median(map(amount, pairs)) for pairs in drawn]
            return statistics.fmean(medians) / figures.submissions

        starts = draw(figures.start.get(way, [0.0]))
        start = statistics.median(starts) / (COHORT * len(figures.katas))
        least = mean(lambda pair: pair.limit.cpu)
        over = mean(lambda pair: pair.way.cpu - pair.limit.cpu) + start
        others[way] = _columns(least, over, mean(lambda pair: pair.way.wall), start)
        limit = _limit(way, figures.alone[figures.katas[0]])
        limits[limit] = _columns(least, 0.0, mean(lambda pair: pair.limit.wall), 0.0)
    return {**dict(sorted(limits.items())), **others}


def _columns(least: float, over: float, wall: float, start: float) -> dict[str, float]:
    cpu = least + over
    return {"cpu_seconds": cpu, "of_which_start": start, "times_limit": cpu / least,
            "overhead_seconds": over, "wall_seconds": wall, "per_minute": 60 / wall,
            "per_minute_by_cpu": 60 * CORES / cpu}  # fmt: skip


def _naive_times(ways: Mapping[str, Mapping[str, float]], way: str) -> float:
    # What cannot be told from nothing is taken for a thousandth.
    naive = ways["naive"]["overhead_seconds"]
    return naive / max(ways[way]["overhead_seconds"], naive / 1000)


def _range(value: float, drawn: Sequence[float]) -> dict[str, float]:
    ordered = sorted(drawn)
    outside = round(len(ordered) * (1 - _SHARE) / 2)
    told = {"median": value, "min": ordered[outside], "max": ordered[-1 - outside]}
    return {name: round(number, 4) for name, number in told.items()}


def _goal(
    what: str, came: Mapping[str, float], least: float = 0, most: float = float("inf")
) -> dict[str, Any]:
    goal = f"at least {least}" if least else f"at most {most}"
    met = least <= came["min"] and came["max"] <= most
    return {"what": what, "came": came, "goal": goal, "met": met}


def _mixed(kata: Kata, count: int, number: int) -> list[str]:
    """The answers of a round: the next `count` of all, in an order drawn once for good."""
    wrong = [answer for answer in answers(kata) if answer.startswith("wrong/")]
    mixed = [REFERENCE, STARTER, *wrong]
    random.Random(kata.name).shuffle(mixed)
    return [mixed[place % len(mixed)] for place in range(number * count, (number + 1) * count)]


def _tasks(kata: Kata, names: Sequence[str]) -> list[Task]:
    return [Task(kata, collect(kata, kata.answer(name)), new_seed(), name) for name in names]


def _quick(kata: Kata, count: int) -> list[Task]:
    """Gradings of the reference at its first behaviour alone: next to nothing but starts."""
    only = frozenset({kata.behaviours[0].id})
    return [dataclasses.replace(task, only=only) for task in _tasks(kata, [REFERENCE] * count)]


def _surprises(
    way: str, tasks: Sequence[Task], graded: Sequence[Sequence[Result]]
) -> list[str]:  # fmt: skip
    found = []
    for task, results in zip(tasks, graded, strict=True):
        named = {result.behaviour: result.passed for result in results if result.behaviour}
        failed = {behaviour for behaviour, passed in named.items() if not passed}
        must = answers(task.kata)[task.label]
        if len(named) != len(task.behaviours):
            problem = f"told of {len(named)} of {len(task.behaviours)} behaviours"
        elif must is None and failed:
            problem = f"fails at {', '.join(sorted(failed))}"
        elif missed := set(must or ()) - failed:
            problem = f"holds at {', '.join(sorted(missed))}"
        else:
            continue
        found.append(f"{task.kata.short_name}, {task.label}, {way}: {problem}")
    return found
