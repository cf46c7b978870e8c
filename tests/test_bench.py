"""What the benchmark makes of its measurements. What it measures is no test: machines are noisy."""

import dataclasses

import pytest

from tests.bench.meter import Spent
from tests.bench.rounds import COHORT, Figures, summary

KATAS = {"quick": 1.0, "slow": 10.0}
#: CPU seconds of a grading beyond the limit's.
OVER = {"limit": 0.0, "limit in image": 0.0, "naive": 3.0, "docker": 0.1}


def figures(rounds: int = 5, submissions: int = 2) -> Figures:
    """Rounds of ever the same costs, and a start of slots that comes to 0.05 s a grading."""
    cost = {
        way: {
            kata: [Spent((seconds + over) * submissions, seconds * submissions)] * rounds
            for kata, seconds in KATAS.items()
        }
        for way, over in OVER.items()
    }
    start = {"docker": [0.05 * COHORT * len(KATAS)] * rounds}
    return Figures(list(KATAS), submissions, cost, start, {}, [])


def goals(report):
    return {goal["what"]: goal for goal in report["goals"]}


def test_overhead_is_what_a_way_costs_beyond_the_limit():
    report = summary(figures())
    assert report["ways"]["limit"]["cpu_seconds"]["median"] == 5.5
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
    costs = disturbed.cost["docker"]["slow"]
    costs[2] = dataclasses.replace(costs[2], cpu=costs[2].cpu + 60)
    assert summary(disturbed) == summary(figures())


def test_spread_is_of_the_rounds_with_one_left_out():
    drifting = figures(rounds=3)
    for kata in KATAS:
        costs = drifting.cost["docker"][kata]
        costs[:] = [dataclasses.replace(each, cpu=each.cpu + number)
                    for number, each in enumerate(costs)]  # fmt: skip
    over = summary(drifting)["ways"]["docker"]["overhead_seconds"]
    assert [over[name] for name in ("min", "median", "max")] == pytest.approx([0.4, 0.65, 0.9])


def test_a_missed_goal_is_told():
    slow = figures()
    slow.start["docker"] = [each * 10 for each in slow.start["docker"]]
    assert not goals(summary(slow))["naive overhead / docker's"]["met"]
