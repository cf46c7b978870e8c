"""What the benchmark makes of its measurements. What it measures is no test: machines are noisy."""

import dataclasses

import pytest

from tests.bench.meter import Spent
from tests.bench.rounds import COHORT, Figures, Pair, summary

KATAS = {"quick": 1.0, "slow": 10.0}
#: CPU seconds of a grading beyond the limit's.
OVER = {"naive": 3.0, "docker": 0.1}


def figures(rounds: int = 5, submissions: int = 2) -> Figures:
    """Rounds of ever the same costs, and a start of slots that comes to 0.05 s a grading."""
    pairs = {
        way: {
            kata: [Pair(*(Spent((seconds + more) * submissions, seconds * submissions)
                          for more in (over, 0)))] * rounds
            for kata, seconds in KATAS.items()
        }
        for way, over in OVER.items()
    }  # fmt: skip
    start = {"docker": [0.05 * COHORT * len(KATAS)] * rounds}
    alone = {kata: dict.fromkeys(("limit", "limit in image", *OVER), 1.0) for kata in KATAS}
    return Figures(list(KATAS), submissions, pairs, start, alone, [])


def dearer(pair: Pair, seconds: float) -> Pair:
    return pair._replace(way=dataclasses.replace(pair.way, cpu=pair.way.cpu + seconds))


def goals(report):
    return {goal["what"]: goal for goal in report["goals"]}


def test_overhead_is_what_a_way_costs_beyond_the_limit():
    report = summary(figures())
    assert report["ways"]["limit in image"]["cpu_seconds"]["median"] == 5.5
    assert report["ways"]["naive"]["overhead_seconds"]["median"] == pytest.approx(3)
    assert report["ways"]["docker"]["overhead_seconds"]["median"] == pytest.approx(0.15)
    assert report["ways"]["docker"]["wall_seconds"]["median"] == 5.5
    ratio = goals(report)["naive overhead / docker's"]
    assert ratio["came"]["median"] == pytest.approx(20)
    assert ratio["met"]
    times = goals(report)["docker's CPU / limit's"]["came"]["median"]
    assert times == pytest.approx(1 + 0.15 / 5.5, abs=0.0001)


def test_one_disturbed_round_of_a_kata_does_not_count():
    disturbed = figures()
    pairs = disturbed.pairs["docker"]["slow"]
    pairs[2] = dearer(pairs[2], 60)
    ways = summary(disturbed)["ways"]
    assert ways["docker"]["overhead_seconds"]["median"] == pytest.approx(0.15)


def test_the_range_shows_how_much_the_rounds_differ():
    assert len(set(summary(figures())["ways"]["docker"]["overhead_seconds"].values())) == 1
    drifting = figures(rounds=9)
    for pairs in drifting.pairs["docker"].values():
        pairs[:] = [dearer(pair, number / 10) for number, pair in enumerate(pairs)]
    over = summary(drifting)["ways"]["docker"]["overhead_seconds"]
    assert over["median"] == pytest.approx(0.35)  # the start, 0.1, and 0.4 / 2 submissions
    assert 0.15 < over["min"] < 0.33 < 0.37 < over["max"] < 0.55


def test_a_goal_that_a_like_run_could_miss_is_not_met():
    near = figures(rounds=5)
    for pairs in near.pairs["docker"].values():
        pairs[:] = [dearer(pair, 0.2 * (number % 2)) for number, pair in enumerate(pairs)]
    goal = goals(summary(near))["naive overhead / docker's"]
    assert goal["came"]["median"] == pytest.approx(20)
    assert not goal["met"]


def test_a_missed_goal_is_told():
    slow = figures()
    slow.start["docker"] = [each * 10 for each in slow.start["docker"]]
    assert not goals(summary(slow))["naive overhead / docker's"]["met"]
