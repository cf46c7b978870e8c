"""Marks: late policy across changes of the clocks, attempts, rulings, totals."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.catalog import Kata
from grader.cohort.config import instant
from grader.cohort.marks import (
    Assignment,
    LatePolicy,
    Mark,
    Result,
    Rules,
    State,
    days_late,
    explain,
    mark,
    rules_of,
    shown,
    total,
)
from grader.cohort.records import HandIn, Kind, Ruling
from grader.errors import UsageError
from tests import marked as cohorts

BERLIN = ZoneInfo("Europe/Berlin")
KATA = "01-toy/adder"
DUE = datetime(2026, 5, 4, 12, 0)
AFTER = datetime(2027, 1, 1, tzinfo=UTC)
TEN = LatePolicy(timedelta(minutes=15), Decimal(10), 5)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]


def at(local: datetime, fold: int = 0) -> datetime:
    return local.replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


def hand_in(when: datetime, submission: str | None) -> HandIn:
    refusal = None if submission else "a link that leaves the folder"
    return HandIn("ada", KATA, submission, refusal, when, "folder", when)


def late_by(submission: str | None, **late: float) -> HandIn:
    return hand_in(at(DUE) + timedelta(**late), submission)


def ruling(kind: Kind, points: float | None = None) -> Ruling:
    return Ruling("ada", KATA, kind, points, "tutor", "because", AFTER)


def marked(
    hand_ins: Sequence[HandIn] = (),
    results: dict[str, int] | None = None,
    rulings: Sequence[Ruling] = (),
    now: datetime = AFTER,
    late: LatePolicy = TEN,
    **rules: Any,
) -> Mark:
    """The mark for a kata of 20 points, due at noon."""
    assignment = Assignment(KATA, DUE, 20)
    graded = {name: Result(Fraction(points), f"key of {name}")
              for name, points in (results or {}).items()}  # fmt: skip
    return mark(assignment, hand_ins, graded, rulings, Rules(BERLIN, late, **rules), now)


def points(made: Mark) -> Decimal | None:
    return None if made.points is None else shown(made.points)


@pytest.mark.parametrize(("due", "end_of_first_day"), [
    (datetime(2026, 3, 28, 12), timedelta(hours=23)),  # clocks go forward that night
    (datetime(2026, 10, 24, 12), timedelta(hours=25)),  # and back in this one
    (datetime(2026, 5, 4, 12), timedelta(hours=24)),
])  # fmt: skip
def test_a_day_is_one_of_the_calendar(due: datetime, end_of_first_day: timedelta) -> None:
    rules = Rules(BERLIN, TEN)
    second = timedelta(seconds=1)
    for start, days in ((at(due), 0), (at(due) + end_of_first_day, 1),
                        (at(due) + end_of_first_day + timedelta(days=1), 2)):  # fmt: skip
        assert days_late(start, due, rules) == days
        grace = TEN.grace if days == 0 else timedelta(0)
        assert days_late(start + grace + second, due, rules) == days + 1
    assert days_late(at(due) + TEN.grace, due, rules) == 0


def test_due_in_an_hour_that_comes_twice_or_never() -> None:
    """The later reading counts, which no learner can hold against us."""
    twice, never = datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30)
    assert instant(twice, BERLIN) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert instant(never, BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    rules = Rules(BERLIN)
    assert days_late(at(twice, fold=0), twice, rules) == 0
    assert days_late(at(twice, fold=1), twice, rules) == 0
    assert days_late(at(twice, fold=1) + timedelta(seconds=1), twice, rules) == 1


@given(
    zone=st.sampled_from(ZONES),
    due=st.datetimes(datetime(2011, 12, 20), datetime(2027, 1, 1)),
    late=st.timedeltas(timedelta(seconds=1), timedelta(days=20)),
)
def test_days_late_is_the_first_boundary_not_passed(
    zone: str, due: datetime, late: timedelta
) -> None:
    rules = Rules(ZoneInfo(zone))
    when = instant(due, rules.zone) + late
    boundaries = (instant(due + timedelta(days=n), rules.zone) for n in itertools.count())
    expected = next(n for n, end in enumerate(boundaries) if when <= end)
    assert days_late(when, due, rules) == expected
    assert days_late(when + timedelta(seconds=1), due, rules) >= expected


@pytest.mark.parametrize(("late", "expected"), [
    ({"minutes": -1}, "18.00"),
    ({"minutes": 15}, "18.00"),
    ({"minutes": 16}, "16.20"),
    ({"days": 1}, "16.20"),
    ({"days": 1, "seconds": 1}, "14.40"),
    ({"days": 5, "minutes": 15}, "7.20"),
])  # fmt: skip
def test_each_started_day_costs_its_percentage(late: dict[str, int], expected: str) -> None:
    made = marked([late_by("a", **late)], {"a": 18})
    assert (made.state, points(made)) == (State.GRADED, Decimal(expected))


def test_after_the_cut_off_nothing_is_accepted() -> None:
    made = marked([late_by("a", days=5, minutes=16)], {"a": 18})
    assert (made.state, made.points, made.ignored) == (State.TOO_LATE, 0, 1)
    none_late = LatePolicy(timedelta(minutes=15))
    assert marked([late_by("a", minutes=15)], {"a": 18}, late=none_late).points == 18
    assert marked([late_by("a", minutes=16)], {"a": 18}, late=none_late).state is State.TOO_LATE


def test_a_penalty_never_takes_more_than_all() -> None:
    late = LatePolicy(timedelta(0), Decimal(40), 30)
    made = marked([late_by("a", days=20)], {"a": 18}, late=late)
    assert (made.points, made.penalty) == (0, 100)


def test_best_or_last() -> None:
    hand_ins = [late_by("a", days=-2), late_by("b", days=-1), late_by("c", days=1)]
    results = {"a": 10, "b": 15, "c": 16}
    best = marked(hand_ins, results)
    assert best.grading == "key of b"
    assert best.hand_in == hand_ins[1]  # 15 on time is more than 16 less a tenth
    assert (points(best), best.attempts) == (Decimal("15.00"), 3)
    last = marked(hand_ins, results, attempts="last")
    assert (last.hand_in, points(last)) == (hand_ins[2], Decimal("14.40"))


def test_of_equals_the_earliest_counts() -> None:
    hand_ins = [late_by("a", days=-2), late_by("b", days=-1)]
    assert marked(hand_ins, {"a": 10, "b": 10}).hand_in == hand_ins[0]


def test_only_the_first_attempts_count() -> None:
    hand_ins = [
        late_by(None, days=-4),
        late_by("a", days=-3),
        late_by("b", days=-2),
        late_by("c", days=-1),
    ]
    for attempts in ("best", "last"):
        made = marked(hand_ins, {"a": 1, "b": 2, "c": 3}, attempts=attempts, most_attempts=2)
        assert (made.points, made.attempts, made.ignored, made.refused) == (2, 2, 1, 1)


def test_the_same_bytes_again_are_no_new_attempt() -> None:
    hand_ins = [late_by("a", days=-1), late_by("a", days=2)]
    made = marked(hand_ins, {"a": 10}, attempts="last", most_attempts=1)
    assert (made.points, made.attempts, made.ignored) == (10, 1, 0)


def test_a_refused_hand_in_changes_nothing() -> None:
    refused = late_by(None, hours=-1)
    made = marked([late_by("a", days=-1), refused], {"a": 10}, attempts="last")
    assert (made.state, made.points) == (State.GRADED, 10)
    alone = marked([refused])
    assert (alone.state, alone.points) == (State.REFUSED, 0)
    assert marked([refused], now=at(DUE)).points is None


def test_what_is_not_graded_is_never_zero() -> None:
    hand_ins = [late_by("a", days=-2), late_by("b", days=-1)]
    parked = marked(hand_ins)
    assert (parked.state, parked.points, parked.waiting) == (State.WAITING, None, 2)
    half = marked(hand_ins, {"a": 10})
    assert (half.points, half.waiting) == (10, 1)
    assert marked(hand_ins, {"a": 10}, attempts="last").state is State.WAITING
    assert marked(hand_ins, rulings=[ruling("adjustment", 2)]).points is None


def test_nothing_handed_in() -> None:
    assert marked(now=at(DUE) + TEN.grace).state is State.OPEN
    assert marked(now=at(DUE) + TEN.grace).points is None
    missing = marked(now=at(DUE) + timedelta(minutes=16))
    assert (missing.state, missing.points) == (State.MISSING, 0)


def test_rulings() -> None:
    one = [late_by("a", days=1)]
    adjusted = marked(one, {"a": 10}, [ruling("adjustment", 1.1), ruling("adjustment", -0.1)])
    assert (adjusted.points, adjusted.adjustment) == (10, 1)
    assert marked(one, {"a": 10}, [ruling("adjustment", -30)]).points == 0
    assert marked((), {}, [ruling("adjustment", 3)]).points == 3
    by_hand = marked(one, {}, [ruling("adjustment", 5), ruling("set", 12), ruling("adjustment", 1)])
    assert (by_hand.state, by_hand.points) == (State.BY_HAND, 13)
    excused = marked(one, {"a": 10}, [ruling("excused")])
    assert (excused.state, excused.points) == (State.EXCUSED, None)
    again = marked(one, {"a": 10}, [ruling("excused"), ruling("counted")])
    assert (again.state, again.points) == (State.GRADED, 9)


def test_what_was_set_or_added_can_be_taken_back() -> None:
    one = [late_by("a", days=-1)]
    wrong = [ruling("adjustment", 2), ruling("set", 99), ruling("adjustment", 1)]
    back = marked(one, {"a": 10}, [*wrong, ruling("graded")])
    assert (back.state, back.points, back.adjustment) == (State.GRADED, 10, 0)
    assert marked(one, {"a": 17}, [*wrong, ruling("graded")]).points == 17
    waiting = marked(one, {}, [*wrong, ruling("graded")])
    assert (waiting.state, waiting.points) == (State.WAITING, None)
    after = marked(one, {"a": 10}, [*wrong, ruling("graded"), ruling("adjustment", 3)])
    assert (after.points, after.by_hand) == (13, True)
    excused = marked(one, {"a": 10}, [*wrong, ruling("excused"), ruling("graded")])
    assert (excused.state, excused.by_hand) == (State.EXCUSED, False)
    assert "What was graded counts again (tutor," in explain(back, BERLIN)[-1]


def test_what_waits_or_came_too_late_tells_when_it_came() -> None:
    one = [late_by("a", days=-1), late_by("b", days=1, hours=1), late_by("c", days=9)]
    assert explain(marked(one), BERLIN) == [
        "Not graded yet: 2 of 2 attempts, the latest handed in on 5 May 2026, 13:00, late by "
        "2 days.",
        "Too late or one too many, so without effect: 1, handed in on 13 May 2026, 12:00.",
    ]
    assert explain(marked(one[:1]), BERLIN) == [
        "Not graded yet: handed in on 3 May 2026, 12:00, on time."
    ]


def test_rulings_survive_whatever_is_graded_anew() -> None:
    rulings = [ruling("adjustment", 2), ruling("appeal")]
    one = [late_by("a", days=-1)]
    assert marked(one, {"a": 10}, rulings).points == 12
    assert marked(one, {"a": 17}, rulings).points == 19
    assert marked(one, {"a": 17}, rulings).open_appeal
    assert not marked(one, {"a": 17}, [*rulings, ruling("answer")]).open_appeal


@given(st.fractions(-1000, 1000))
def test_rounding_is_half_up_to_two_decimals(exact: Fraction) -> None:
    rounded = shown(exact)
    assert rounded.as_tuple().exponent == -2
    distance = abs(Fraction(rounded) - exact)
    assert distance < Fraction(1, 200) or (
        distance == Fraction(1, 200) and abs(Fraction(rounded)) > abs(exact)
    )


def test_rounding_by_example() -> None:
    cases = {Fraction(1, 200): "0.01", Fraction(2, 3): "0.67", Fraction(-1, 200): "-0.01"}
    assert {exact: str(shown(exact)) for exact in cases} == cases


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(-100, 200)), max_size=8),
    st.dictionaries(st.sampled_from("abcde"), st.integers(0, 20)),
    st.sampled_from(["best", "last"]),
)
def test_marks_stay_within_bounds(
    sent: list[tuple[str, int]], results: dict[str, int], attempts: str
) -> None:
    hand_ins = [late_by(name, hours=hours) for name, hours in sorted(sent, key=lambda s: s[1])]
    made = marked(hand_ins, results, attempts=attempts)
    if made.points is None:
        assert made.state is State.WAITING
        assert made.waiting
    else:
        assert 0 <= made.points <= 20
    if attempts == "best" and made.points is not None:
        assert made.points >= (marked(hand_ins, results, attempts="last").points or 0)


def test_total_leaves_out_what_is_open_and_what_is_excused() -> None:
    full = marked([late_by("a", days=-1)], {"a": 20})
    third = marked([late_by("a", days=-1)], {"a": 10})
    waiting, excused = marked([late_by("a", days=-1)]), marked(rulings=[ruling("excused")])
    made = total([(full, Decimal(1)), (third, Decimal(3)), (waiting, Decimal(2)),
                  (excused, Decimal(9))])  # fmt: skip
    assert made.percent == Fraction(250, 4)
    assert (made.weight, made.still_open) == (4, 2)
    assert total([(excused, Decimal(1))]).percent is None


def test_collecting_and_marking_have_the_same_cut_off(toy: Kata) -> None:
    """Also where it is a time that the clocks jump over, as midnight was in Cairo."""
    folder = cohorts.make(toy)
    settings = (folder / "cohort.toml").read_text().replace("Europe/Berlin", "Africa/Cairo")
    (folder / "cohort.toml").write_text(settings.replace("2026-03-10T12:00", "2026-04-21T00:00"))
    cohort = cohorts.find(folder, toy)
    last = cohort.cut_off(toy.name)
    assert last == datetime(2026, 4, 23, 22, 15, tzinfo=UTC)
    assignment = Assignment(toy.name, datetime(2026, 4, 21), 20)
    for late, state in ((0, State.GRADED), (1, State.TOO_LATE)):
        made = mark(assignment, [hand_in(last + timedelta(seconds=late), "a")],
                    {"a": Result(Fraction(20), "key")}, (), rules_of(cohort), AFTER)  # fmt: skip
        assert made.state is state


@pytest.mark.parametrize("bare", ["2026-03-10", '"2026-03-10"'])
def test_a_due_date_without_a_time_is_refused(toy: Kata, bare: str) -> None:
    folder = cohorts.make(toy)
    settings = (folder / "cohort.toml").read_text()
    (folder / "cohort.toml").write_text(settings.replace("2026-03-10T12:00:00", bare))
    with pytest.raises(UsageError, match=r"due: write the time, too: 2026-03-10T23:59:00"):
        cohorts.find(folder, toy)
