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
from tests.bench.meter import CORES, Spent, background, middle, spent
from tests.bench.ways import Limit, Naive, Ours, Result, Way

#: Over so many submissions of each kata the start of slots is spread: a cohort's, in one run.
COHORT = 50
#: Whose limit is not that of the host's Python.
_LIMITS = dict.fromkeys(("limit in image", "naive", "docker"), "limit in image")
#: How many times ours the naive way's overhead must be, and how many times the limit's our CPU.
_RATIOS, _TIMES_LIMIT = {"docker": 15, "bubblewrap": 20}, 1.5


@dataclasses.dataclass
class Figures:
    """What was measured. Lists have one entry for each round; costs are sums over all katas."""

    gradings: int  # of each way, in each round
    katas: int
    cost: dict[str, list[Spent]]
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
    figures = Figures(submissions * len(katas), len(katas), {}, {}, {}, [])
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
                    costs = figures.cost.setdefault(way.name, [Spent()] * rounds)
                    costs[number] += cost
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
    """Seconds per grading and what follows from them, in medians of the rounds.

    The goals' ratios are of these medians; their spread is what comes of leaving out one round
    after the other.
    """
    each, share = figures.gradings, {}
    cpu: dict[str, list[float]] = {}
    for way, costs in figures.cost.items():
        share[way] = [start / (COHORT * figures.katas)
                      for start in figures.start.get(way, [0.0] * len(costs))]  # fmt: skip
        cpu[way] = [cost.cpu / each + start for cost, start in zip(costs, share[way], strict=True)]
    least = {way: cpu.get(_LIMITS.get(way, "limit"), cpu["limit"]) for way in cpu}
    over = {way: _pairs(lambda own, limit: own - limit, seconds, least[way])
            for way, seconds in cpu.items()}  # fmt: skip
    ways = {way: {
        "cpu_seconds": middle(seconds),
        "of_which_start": middle(share[way]),
        "times_limit": middle(_pairs(lambda own, limit: own / limit, seconds, least[way])),
        "overhead_seconds": middle(over[way]),
        "wall_seconds": middle(cost.wall / each for cost in figures.cost[way]),
        "per_minute": middle(60 * each / cost.wall for cost in figures.cost[way]),
        "per_minute_by_cpu": middle(60 * CORES / own for own in seconds),
    } for way, seconds in cpu.items()}  # fmt: skip
    goals = []
    for way in figures.start:
        if "naive" in over:
            ratio = _of_medians(over["naive"], over[way])
            goals.append(_goal(f"naive overhead / {way}'s", ratio, least=_RATIOS[way]))
        ratio = _of_medians(cpu[way], least[way])
        goals.append(_goal(f"{way}'s CPU / limit's", ratio, most=_TIMES_LIMIT))
    background = max(cost.background for costs in figures.cost.values() for cost in costs)
    return {"ways": ways, "goals": goals, "background_cores": background}


def _goal(
    what: str, came: Mapping[str, float], least: float = 0, most: float = float("inf")
) -> dict[str, Any]:
    goal = f"at least {least}" if least else f"at most {most}"
    return {"what": what, "came": came, "goal": goal, "met": least <= came["median"] <= most}


def _of_medians(one: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """Ratio of the medians. What cannot be told from nothing is taken for a thousandth."""

    def ratio(rounds: Collection[int]) -> float:
        above, below = (statistics.median(costs[number] for number in rounds)
                        for costs in (one, other))  # fmt: skip
        return above / max(below, above / 1000)

    rounds = range(len(one))
    without_one = [ratio(set(rounds) - {number}) for number in rounds] if len(one) > 1 else [0.0]
    return {"median": round(ratio(rounds), 3), "min": round(min(without_one), 3),
            "max": round(max(without_one), 3)}  # fmt: skip


def _pairs(
    work: Callable[[float, float], float], one: Sequence[float], other: Sequence[float]
) -> list[float]:
    return [work(*pair) for pair in zip(one, other, strict=True)]


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
