"""From hand-ins, their verdicts and an instructor's rulings to marks.

All points are exact (`Fraction`) until they are shown: `shown` rounds to two decimals, half up, and
nothing else rounds.
"""

import collections
import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, TypeVar

from grader.cohort.config import Cohort, instant, last_moment
from grader.cohort.records import Grading, HandIn, Ruling
from grader.cohort.store import Store

_Record = TypeVar("_Record", HandIn, Ruling)
_NOTHING = Fraction(0)
#: Rulings that say how many points there are.
_POINTS = ("adjustment", "set", "graded")


class State(enum.StrEnum):
    """What a mark stands on. Only the first two have no points."""

    OPEN = "not due yet"
    WAITING = "not graded yet"
    GRADED = "graded"
    BY_HAND = "set by hand"
    MISSING = "nothing handed in"
    TOO_LATE = "too late"
    REFUSED = "refused"
    EXCUSED = "excused"


@dataclasses.dataclass(frozen=True)
class LatePolicy:
    """What lateness costs: `percent_per_day` of the points earned, for each started day.

    A day is a calendar day of the cohort's time zone, from the due time to the same time of the
    next date, be it 23, 24 or 25 hours long. Days count from the due time; within `grace` after it
    nothing counts. Later than `cut_off_days` days (and the grace) after it, nothing is accepted.
    """

    grace: timedelta = timedelta(0)
    percent_per_day: Decimal = Decimal(0)
    cut_off_days: int = 0


@dataclasses.dataclass(frozen=True)
class Rules:
    """What holds for every kata of a cohort. Of the attempts, the first `most_attempts` count."""

    zone: tzinfo
    late: LatePolicy = LatePolicy()
    attempts: Literal["best", "last"] = "best"
    most_attempts: int | None = None


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A kata of a cohort. `due` is local time without a zone."""

    kata: str
    due: datetime
    possible: int
    weight: Decimal = Decimal(1)


@dataclasses.dataclass(frozen=True)
class Result:
    """What a submission earned, in points of the assignment, and the key of the grading.

    `possible` is what was possible under the edition that it was graded with, if that differs.
    """

    points: Fraction
    key: str
    possible: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """A learner's mark for one kata, and how it came about."""

    kata: str
    state: State
    possible: int
    #: None while there is nothing to mark yet, and where excused.
    points: Fraction | None = None
    #: The attempt that counts, the key of its grading, what it earned, and what lateness took off
    #: that, in percent.
    hand_in: HandIn | None = None
    grading: str | None = None
    earned: Fraction | None = None
    #: What was possible for it under another edition of the kata; `earned` is on this one's scale.
    graded_of: int | None = None
    days_late: int = 0
    penalty: Fraction = _NOTHING
    adjustment: Fraction = _NOTHING
    #: How many attempts count, how many of them wait for a verdict, how many came too late or
    #: beyond the maximum, and how many were refused.
    attempts: int = 0
    waiting: int = 0
    ignored: int = 0
    refused: int = 0
    #: The latest attempt that waits, and how late it is; the latest hand-in without effect.
    waits: HandIn | None = None
    waits_days_late: int = 0
    without_effect: HandIn | None = None
    rulings: Sequence[Ruling] = ()

    @property
    def by_hand(self) -> bool:
        """Whether points set by hand or added are in force, so that they can be taken back."""
        said = [each.kind for each in self.rulings if each.kind in _POINTS]
        return bool(said) and said[-1] != "graded"

    @property
    def open_appeal(self) -> bool:
        """Whether the latest appeal has no answer yet."""
        said = [each.kind for each in self.rulings if each.kind in ("appeal", "answer")]
        return said[-1:] == ["appeal"]


@dataclasses.dataclass(frozen=True)
class Total:
    """Over all katas that have points: percent by weight (None: none has), and how much counts."""

    percent: Fraction | None
    weight: Decimal
    #: The weight of what is not due or not graded yet.
    still_open: Decimal


def shown(points: Fraction) -> Decimal:
    """Two decimals, half up: the one place that rounds."""
    # In whole numbers: an export shows half a million.
    cents = (200 * abs(points.numerator) + points.denominator) // (2 * points.denominator)
    return Decimal(-cents if points.numerator < 0 else cents).scaleb(-2)


def days_late(at: datetime, due: datetime, rules: Rules) -> int:
    """How many days of lateness have started at `at` (UTC): 0 until due time and grace are over."""
    if at <= instant(due, rules.zone) + rules.late.grace:
        return 0
    # From a day or two below, because zones have skipped whole dates.
    started = max(1, (at.astimezone(rules.zone).date() - due.date()).days - 2)
    while at > instant(due + timedelta(days=started), rules.zone):
        started += 1
    return started


def mark(
    assignment: Assignment,
    hand_ins: Iterable[HandIn],
    results: Mapping[str, Result],
    rulings: Iterable[Ruling],
    rules: Rules,
    now: datetime,
) -> Mark:
    """The mark as it stands at `now`. `results` are by submission, where there is a verdict.

    Refused hand-ins change nothing, nor does handing in the same bytes again. With "best" the best
    graded attempt counts, the earliest of equals; with "last" the last one, graded or not. Hand-ins
    come oldest first, rulings in the order in which they were given.
    """
    ruled = tuple(rulings)
    late = rules.late
    last = last_moment(assignment.due, late.cut_off_days, late.grace, rules.zone)
    accepted: list[HandIn] = []
    without_effect: HandIn | None = None
    ignored = refused = 0
    for hand_in in hand_ins:
        if hand_in.submission is None:
            refused += 1
        elif accepted and accepted[-1].submission == hand_in.submission:
            continue
        elif hand_in.at > last or len(accepted) == rules.most_attempts:
            ignored += 1
            without_effect = hand_in
        else:
            accepted.append(hand_in)
    waiting = [each for each in accepted if each.submission not in results]
    fields: dict[str, Any] = {"state": State.OPEN}
    if accepted:
        fields = _best_or_last(assignment, accepted, results, rules)
    elif days_late(now, assignment.due, rules):
        why = State.TOO_LATE if ignored else State.REFUSED if refused else State.MISSING
        fields = {"state": why, "points": Fraction(0)}
    if ruled:
        fields = _ruled(fields, ruled)
    return Mark(
        kata=assignment.kata,
        possible=assignment.possible,
        attempts=len(accepted),
        waiting=len(waiting),
        ignored=ignored,
        refused=refused,
        waits=waiting[-1] if waiting else None,
        waits_days_late=days_late(waiting[-1].at, assignment.due, rules) if waiting else 0,
        without_effect=without_effect,
        rulings=ruled,
        **fields,
    )


def explain(made: Mark, zone: tzinfo) -> list[str]:
    """How a mark came about, in plain sentences for its learner."""
    lines = []
    if made.hand_in is not None and made.earned is not None:
        attempt = "" if made.attempts == 1 else f", the one that counts of {made.attempts} attempts"
        lines.append(f"Handed in on {moment(made.hand_in.at, zone)}{attempt}: "
                     f"{plainly(made.earned)} of {made.possible} points.")  # fmt: skip
    if made.graded_of is not None and made.hand_in is not None:
        lines.append(f"Graded with another version of the kata, where {made.graded_of} points were "
                     f"possible; counted on the scale of {made.possible}.")  # fmt: skip
    if made.days_late:
        lines.append(f"Late by {_days(made.days_late)}, so {plainly(made.penalty)} percent come "
                     "off.")  # fmt: skip
    for ruling in made.rulings:
        said = f"({ruling.author}, {moment(ruling.at, zone)}): {ruling.note}"
        lines.append(f"{in_words(ruling)} {said}")
    if made.waits is not None:
        late = f"late by {_days(made.waits_days_late)}" if made.waits_days_late else "on time"
        which = "handed in" if made.waiting == 1 else "the latest handed in"
        count = "" if made.attempts == 1 else f"{made.waiting} of {made.attempts} attempts, "
        lines.append(f"Not graded yet: {count}{which} on {moment(made.waits.at, zone)}, {late}.")
    if made.without_effect is not None:
        which = "handed in" if made.ignored == 1 else "the latest handed in"
        lines.append(f"Too late or one too many, so without effect: {made.ignored}, {which} on "
                     f"{moment(made.without_effect.at, zone)}.")  # fmt: skip
    if made.refused:
        lines.append(f"Refused, so without effect: {made.refused}.")
    return lines


def in_words(ruling: Ruling) -> str:
    """What a ruling says, without its reason."""
    amount = f"{plainly(_exact(ruling.points))} points"
    return {
        "adjustment": f"Adjusted by {amount}",
        "set": f"Set to {amount}",
        "graded": "What was graded counts again",
        "excused": "Excused",
        "counted": "Excused no longer",
        "appeal": "Appeal",
        "answer": "Answer",
    }[ruling.kind]


def _days(count: int) -> str:
    return f"{count} {'day' if count == 1 else 'days'}"


def plainly(points: Fraction) -> str:
    """As `shown`, without zeros that say nothing."""
    return f"{shown(points).normalize():f}"


def moment(at: datetime, zone: tzinfo) -> str:
    """A time as people of a zone read it."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y, %H:%M}"


def total(marks: Iterable[tuple[Mark, Decimal]]) -> Total:
    """A learner's marks with their weights, as one percentage. What is excused counts nowhere."""
    counted, still_open = Decimal(0), Decimal(0)
    # Whole numbers by denominator: with fractions, this was a fifth of a large report's time.
    sums: collections.Counter[int] = collections.Counter()
    for made, weight in marks:
        if made.points is not None and made.possible:
            counted += weight
            over, under = weight.as_integer_ratio()
            sums[under * made.points.denominator * made.possible] += over * made.points.numerator
        elif made.state is not State.EXCUSED:
            still_open += weight
    earned = sum((Fraction(over, under) for under, over in sums.items()), Fraction(0))
    percent = 100 * earned / Fraction(counted) if counted else None
    return Total(percent, counted, still_open)


def _exact(number: float | None) -> Fraction:
    """What was meant by a number that went through a file or a database as a float."""
    return Fraction(str(number or 0))


def _best_or_last(
    assignment: Assignment, attempts: Sequence[HandIn], results: Mapping[str, Result], rules: Rules
) -> dict[str, Any]:
    """The fields of a mark for the attempt that counts."""
    best: dict[str, Any] = {"state": State.WAITING}
    for hand_in in attempts if rules.attempts == "best" else attempts[-1:]:
        result = results.get(hand_in.submission or "")
        if result is None:
            continue
        late = days_late(hand_in.at, assignment.due, rules)
        penalty, points = _NOTHING, result.points
        if late:
            penalty = min(Fraction(100), late * Fraction(rules.late.percent_per_day))
            points *= 1 - penalty / 100
        if "points" not in best or points > best["points"]:
            best = {
                "state": State.GRADED, "points": points, "hand_in": hand_in,
                "grading": result.key, "earned": result.points, "graded_of": result.possible,
                "days_late": late, "penalty": penalty,
            }  # fmt: skip
    return best


def _ruled(fields: dict[str, Any], rulings: Sequence[Ruling]) -> dict[str, Any]:
    """The fields of a mark, after what an instructor has said. No mark is below zero."""
    excused = [each.kind for each in rulings if each.kind in ("excused", "counted")]
    if excused[-1:] == ["excused"]:
        return {**fields, "state": State.EXCUSED, "points": None}
    graded, fields, adjustment = fields, dict(fields), Fraction(0)
    for ruling in rulings:
        if ruling.kind == "graded":
            fields, adjustment = dict(graded), Fraction(0)
        elif ruling.kind == "set":
            fields |= {"state": State.BY_HAND, "points": _exact(ruling.points)}
            adjustment = Fraction(0)
        elif ruling.kind == "adjustment":
            adjustment += _exact(ruling.points)
    if "points" in fields:
        fields["points"] = max(Fraction(0), fields["points"] + adjustment)
    return {**fields, "adjustment": adjustment}


@dataclasses.dataclass(frozen=True)
class Gradebook:
    """The marks of a cohort at one moment, by learner (id) and kata (full name).

    And what they stand on: hand-ins in the same way, oldest first; all gradings, oldest first, and
    those that count by kata and submission.
    """

    assignments: Sequence[Assignment]
    learners: Sequence[str]
    marks: Mapping[tuple[str, str], Mark]
    hand_ins: Mapping[tuple[str, str], Sequence[HandIn]]
    gradings: Sequence[Grading]
    counting: Mapping[str, Mapping[str, Grading]]

    @classmethod
    def make(
        cls,
        cohort: Cohort,
        store: Store,
        now: datetime,
        editions: Mapping[str, str] | None = None,
        learners: Sequence[str] | None = None,
    ) -> "Gradebook":
        """All marks, or those of some learners, for whom less is read.

        Verdicts are those given under the applied edition of each kata, or under `editions` (ids by
        kata) where a kata stands there. What has none under it, as it came after a kata was changed
        or the grader renewed, keeps its first verdict.
        """
        rules = rules_of(cohort)
        chosen = list(cohort.roster.ids if learners is None else learners)
        assignments, marks = [], {}
        hand_ins, rulings = _by_place(store.hand_ins(learners)), _by_place(store.rulings(learners))
        in_force = {name: (editions or {}).get(name) or store.applied(name)
                    for name in cohort.assigned}  # fmt: skip
        gradings = store.gradings(learners=learners)
        counting = _counting(gradings, in_force)
        for name, assigned in cohort.assigned.items():
            possible = store.possible(name, in_force[name])
            if possible is None:
                possible = sum(each.points for each in cohort.catalog.get(name).behaviours)
            assignment = Assignment(name, assigned.due, possible, Decimal(str(assigned.weight)))
            assignments.append(assignment)
            # On the same scale, whatever edition they are from.
            results = {
                submission: Result(
                    Fraction(each.points * possible, each.possible or 1),
                    each.key,
                    None if each.possible == possible else each.possible,
                )
                for submission, each in counting[name].items()
            }
            for learner in chosen:
                place = (learner, name)
                marks[place] = mark(assignment, hand_ins.get(place, ()), results,
                                    rulings.get(place, ()), rules, now)  # fmt: skip
        return cls(assignments, chosen, marks, hand_ins, gradings, counting)

    def of(self, learner: str) -> list[Mark]:
        """A learner's marks, in the order of the cohort's katas."""
        return [self.marks[learner, each.kata] for each in self.assignments]

    def total(self, learner: str) -> Total:
        """Percent over all that counts for a learner so far."""
        weights = (each.weight for each in self.assignments)
        return total(zip(self.of(learner), weights, strict=True))


def rules_of(cohort: Cohort) -> Rules:
    """A cohort's settings as rules for marks."""
    config = cohort.config
    late = LatePolicy(
        timedelta(minutes=config.late.grace_minutes),
        Decimal(str(config.late.percent_per_day)),
        config.late.cut_off_days,
    )
    return Rules(config.zone, late, config.attempts, config.max_attempts)


def _counting(
    gradings: Iterable[Grading], in_force: Mapping[str, str | None]
) -> dict[str, dict[str, Grading]]:
    """By kata and submission: the grading under the edition in force, or else the first one."""
    found: dict[str, dict[str, Grading]] = {name: {} for name in in_force}
    for each in gradings:
        mine = found.get(each.kata)
        if mine is not None and (
            each.submission not in mine or each.edition == in_force[each.kata]
        ):
            mine[each.submission] = each
    return found


def _by_place(records: Iterable[_Record]) -> dict[tuple[str, str], list[_Record]]:
    """Hand-ins or rulings by learner and kata."""
    places: dict[tuple[str, str], list[_Record]] = {}
    for record in records:
        places.setdefault((record.learner, record.kata), []).append(record)
    return places
