"""The rounds: all ways grade the same submissions, one way after the other, again and again."""

import contextlib
import dataclasses
import random
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from grader.catalog import Kata
from grader.engines.base import Engine
from grader.grading import Task, new_seed
from grader.submission import collect
from grader.verify import REFERENCE, STARTER, answers
from tests.bench.meter import CORES, Spent, background, spent
from tests.bench.ways import Limit, Naive, Ours, Result, Way

#: Numbers of those that are counted.
Rounds = Collection[int]
#: Over so many submissions of each kata the start of slots is spread: a cohort's, in one run.
COHORT = 50
#: Whose limit is not that of the host's Python.
_LIMITS = dict.fromkeys(("limit in image", "naive", "docker"), "limit in image")
#: How many times ours the naive way's overhead must be, and how many times the limit's our CPU.
_RATIOS, _TIMES_LIMIT = {"docker": 15, "bubblewrap": 20}, 1.5


@dataclasses.dataclass
class Figures:
    """What was measured. Lists have one entry for each round."""

    katas: list[str]
    submissions: int  # of each kata, in each round
    #: By way and kata: what its submissions cost, all together.
    cost: dict[str, dict[str, list[Spent]]]
    #: CPU seconds that the start of slots for all katas takes, by engine.
    start: dict[str, list[float]]
    #: Seconds of one grading of the reference with nothing beside it, by kata and way.
    alone: dict[str, dict[str, float]]
    #: Gradings that did not come out as the kata says.
    surprises: list[str]


def compare(
    katas: Sequence[Kata], engines: Sequence[Engine], submissions: int, rounds: int, jobs: int,
    tell: Callable[[str], None],
) -> Figures:  # fmt: skip
    """Kata by kata, so that few slots are warm at a time."""
    figures = Figures([kata.short_name for kata in katas], submissions, {}, {}, {}, [])
    for kata in katas:
        with contextlib.ExitStack() as stack:
            ways = all_ways(kata.contract.preload, engines, jobs, stack)
            alone = figures.alone.setdefault(kata.short_name, {})
            reference = _tasks(kata, [REFERENCE])
            for way in ways:
                tell(f"{kata.short_name}: {way.name}, one grading alone")
                way.batch(_quick(kata, 1))
                alone[way.name] = round(spent(0.0, way.batch, reference)[0].wall, 3)
                # A slot that is one of several is made ready in another way.
                way.batch(_quick(kata, min(jobs, submissions)))
            for number in range(rounds):
                tasks = _tasks(kata, _mixed(kata, submissions, number))
                other = background()
                # Each round begins with another way, so that whatever drifts hits all alike.
                for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                    tell(f"{kata.short_name}: round {number + 1}, {way.name}")
                    cost, outcomes = spent(other, way.batch, tasks)
                    figures.cost.setdefault(way.name, {}).setdefault(kata.short_name, [])
                    figures.cost[way.name][kata.short_name].append(cost)
                    figures.surprises += _surprises(way.name, tasks, outcomes)
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


def summary(figures: Figures) -> dict[str, Any]:
    """Seconds per grading and what follows from them.

    Of each kata the median of the rounds, of these the mean: what disturbs a round of one kata does
    not count. A way is set against the limit pair by pair. Spread is what comes of leaving out one
    round after the other.
    """
    rounds = range(len(figures.cost["limit"][figures.katas[0]]))

    def mean(rounds: Rounds, amount: Callable[[str, int], float]) -> float:
        medians = (statistics.median(amount(kata, number) for number in rounds)
                   for kata in figures.katas)  # fmt: skip
        return statistics.fmean(medians) / figures.submissions

    def cpu(way: str, rounds: Rounds) -> float:
        return mean(rounds, lambda *at: cost(way, *at).cpu) + start(way, rounds)

    def least(way: str, rounds: Rounds) -> float:
        return cpu(limit(way), rounds)

    def over(way: str, rounds: Rounds) -> float:
        pairs = mean(rounds, lambda *at: cost(way, *at).cpu - cost(limit(way), *at).cpu)
        return pairs + start(way, rounds)

    def wall(way: str, rounds: Rounds) -> float:
        return mean(rounds, lambda *at: cost(way, *at).wall)

    def start(way: str, rounds: Rounds) -> float:
        starts = figures.start.get(way)
        share = statistics.median(starts[number] for number in rounds) if starts else 0.0
        return share / (COHORT * len(figures.katas))

    def cost(way: str, kata: str, number: int) -> Spent:
        return figures.cost[way][kata][number]

    def limit(way: str) -> str:
        return own if (own := _LIMITS.get(way, "limit")) in figures.cost else "limit"

    def times_limit(way: str, rounds: Rounds) -> float:
        return 1 + over(way, rounds) / least(way, rounds)

    def naive_times(way: str, rounds: Rounds) -> float:
        # What cannot be told from nothing is taken for a thousandth.
        naive = over("naive", rounds)
        return naive / max(over(way, rounds), naive / 1000)

    def spread(value: Callable[[str, Rounds], float], way: str) -> dict[str, float]:
        fewer = [value(way, set(rounds) - {number}) for number in rounds if len(rounds) > 1]
        whole = value(way, rounds)
        told = {"median": whole, "min": min([whole, *fewer]), "max": max([whole, *fewer])}
        return {name: round(number, 4) for name, number in told.items()}

    ways = {way: {
        "cpu_seconds": spread(cpu, way),
        "of_which_start": spread(start, way),
        "times_limit": spread(times_limit, way),
        "overhead_seconds": spread(over, way),
        "wall_seconds": spread(wall, way),
        "per_minute": spread(lambda *of: 60 / wall(*of), way),
        "per_minute_by_cpu": spread(lambda *of: 60 * CORES / cpu(*of), way),
    } for way in figures.cost}  # fmt: skip
    goals = []
    for way in figures.start:
        if "naive" in figures.cost:
            ratio = spread(naive_times, way)
            goals.append(_goal(f"naive overhead / {way}'s", ratio, least=_RATIOS[way]))
        goals.append(_goal(f"{way}'s CPU / limit's", spread(times_limit, way), most=_TIMES_LIMIT))
    background = max(each.background for katas in figures.cost.values()
                     for costs in katas.values() for each in costs)  # fmt: skip
    return {"ways": ways, "goals": goals, "background_cores": background}


def _goal(
    what: str, came: Mapping[str, float], least: float = 0, most: float = float("inf")
) -> dict[str, Any]:
    goal = f"at least {least}" if least else f"at most {most}"
    return {"what": what, "came": came, "goal": goal, "met": least <= came["median"] <= most}


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
