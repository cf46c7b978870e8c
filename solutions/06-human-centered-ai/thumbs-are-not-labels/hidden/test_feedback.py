"""Made-up weeks of showings, votes, audits and consents, and what the nightly job makes of them."""

import csv
import io
import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from numpy.random import Generator

from grader.judge import Raised, Submission, expect

WEEK = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400
NOW = 7 * DAY
OUT = "nights/monday"  # neither folder is there before the first run
FILES = ("scores.csv", "training.jsonl", "report.json")
ROW = ("showing", "answer", "model", "label", "solved", "comment")
REASONS = ("unknown_showing", "other_person", "other_model", "too_early")


def stamp(second: float) -> str:
    return (WEEK + timedelta(seconds=int(second))).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- a made-up week ------------------------------------------------------------------------


@dataclass
class Week:
    """What happened, and who they are. Times are seconds since Monday, 0:00."""

    rng: Generator
    events: list[dict[str, Any]] = field(default_factory=list)
    people: list[tuple[str, str, int]] = field(default_factory=list)
    shown_at: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)

    def name(self, kind: str) -> str:
        return f"{kind}{self.rng.integers(16**10):010x}"

    def person(self, *, age_days: float = 400, evaluation: bool = False, consent: bool = True):
        """An account that was opened `age_days` before this Monday."""
        person = self.name("u")
        self.people.append((person, stamp(-age_days * DAY), int(evaluation)))
        if consent:
            self.consent(person, True, at=max(0, -age_days * DAY))
        return person

    def add(self, kind: str, at: float, **fields: Any) -> dict[str, Any]:
        event = {"type": kind, "id": self.name("e"), "at": stamp(at), **fields}
        self.events.append(event)
        return event

    def consent(self, person: str, given: bool, at: float) -> None:
        self.add("consent", at, person=person, given=given)

    def shown(self, person, answer, *, model="m-1", propensity=0.5, position=1, at=None) -> str:
        showing = self.name("s")
        at = self.time(HOUR, 5 * DAY) if at is None else at
        fields = {"person": person, "answer": answer, "model": model}
        fields |= {"position": position, "propensity": propensity}
        event = self.add("shown", at, showing=showing, **fields)
        self.shown_at[showing] = at, event
        return showing

    def vote(self, showing, vote, *, at=None, comment=None, person=None, model=None) -> float:
        """When the vote was cast: by default within the day after the showing."""
        shown_at, event = self.shown_at[showing]
        at = shown_at + self.time(MINUTE, DAY) if at is None else at
        fields = {"showing": showing, "vote": vote}
        fields |= {"person": person or event["person"], "model": model or event["model"]}
        self.add("vote", at, **fields, **({} if comment is None else {"comment": comment}))
        return at

    def opinion(self, vote: str, answer: str, comment=None, **how: Any) -> str:
        """A new person who is shown the answer and votes on it ("" for silence)."""
        showing = self.shown(self.person(), answer, **how)
        if vote:
            self.vote(showing, vote, comment=comment)
        return showing

    def crowd(self, answer: str, up: int, down: int, silent: int, **how: Any) -> None:
        for vote in ["up"] * up + ["down"] * down + [""] * silent:
            self.opinion(vote, answer, **how)

    def time(self, least: float, most: float) -> float:
        return int(self.rng.integers(int(least), int(most)))

    def lines(self, events=None) -> list[str]:
        """The log's lines, as they come from several front ends: not in order."""
        events = self.events if events is None else events
        return [
            json.dumps(events[k], ensure_ascii=False) for k in self.rng.permutation(len(events))
        ]

    def people_csv(self) -> str:
        rows = [f"{person},{joined},{group}\n" for person, joined, group in self.people]
        return "person,joined_at,evaluation\n" + "".join(rows)


# --- the nightly job -----------------------------------------------------------------------


@dataclass
class Export:
    scores: dict[tuple[str, str], dict[str, float]]
    training: list[dict[str, Any]]
    report: dict[str, Any]

    def card(self, answer: str, model: str = "m-1", given: str = "") -> dict[str, float]:
        expect(
            (answer, model) in self.scores,
            observed=f"scores.csv has no row for {answer} of {model}",
            expected="a row for each answer and model that somebody was shown",
            given=given,
        )
        return self.scores[answer, model]

    def rows(self) -> dict[str, dict[str, Any]]:
        """Training rows by their showing."""
        return {row["showing"]: row for row in self.training}


def arguments(at: float = NOW) -> list[str]:
    files = ["--log", "events.jsonl", "--people", "people.csv"]
    return [*files, "--now", stamp(at), "--out", OUT]


def export(submission: Submission, week: Week, *, lines=None, at: float = NOW, given="") -> Export:
    lines = week.lines() if lines is None else lines
    submission.write({"events.jsonl": "".join(f"{line}\n" for line in lines)})
    submission.write({"people.csv": week.people_csv()})
    return run(submission, at, given)


def run(submission: Submission, at: float = NOW, given: str = "") -> Export:
    try:
        code = submission.call("feedback.__main__:main", arguments(at))
        observed = f"main(argv) returned {code}"
    except Raised as error:
        code = observed = f"main(argv) raised {error.type}: {error.message}"
    printed = submission.log().strip().rpartition("\n")[2][:200]
    expect(
        type(code) is int and code == 0,
        observed=f"{observed}; it printed: {printed or '(nothing)'}",
        expected="0, and the three files",
        given=given or "a log of one week and its people.csv",
    )
    return Export(scores(submission), training(submission), report(submission))


def scores(submission: Submission) -> dict[tuple[str, str], dict[str, float]]:
    found = {}
    for row in submission.csv(
        f"{OUT}/scores.csv", ["answer", "model", "people", "up", "down", "score"]
    ):
        key = (row["answer"], row["model"])
        try:
            numbers = {name: float(row[name]) for name in ("people", "up", "down", "score")}
        except ValueError:
            numbers = {"score": math.nan}
        expect(
            all(math.isfinite(number) for number in numbers.values()) and key not in found,
            observed=f"scores.csv has the row {json.dumps(row)}",
            expected="finite numbers, and one row for each answer and model",
        )
        found[key] = numbers
    return found


def training(submission: Submission) -> list[dict[str, Any]]:
    rows = []
    for line in submission.text(f"{OUT}/training.jsonl").split("\n"):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        fine = (
            isinstance(row, dict)
            and all(type(row.get(k)) is str for k in ("showing", "answer", "model", "comment"))
            and row.get("label") in ("good", "bad")
            and "solved" in row
            and (row["solved"] is None or type(row["solved"]) is bool)
        )
        expect(
            fine,
            observed=f"training.jsonl has the line {line[:200]}",
            expected='an object with showing, answer, model, label ("good" or "bad"), '
            "solved (true, false or null) and comment",
        )
        rows.append({name: row[name] for name in ROW})
    expect(
        len({row["showing"] for row in rows}) == len(rows),
        observed=f"{len(rows)} training rows for {len({row['showing'] for row in rows})} showings",
        expected="one row for each showing at most",
    )
    return rows


def report(submission: Submission) -> dict[str, Any]:
    told = submission.json(f"{OUT}/report.json")
    whole = isinstance(told, dict)
    rejected = told.get("rejected_votes") if whole else None
    listed = [told.get("flagged"), told.get("alarms")] if whole else [None]
    fine = (
        isinstance(rejected, dict)
        and all(type(rejected.get(reason)) is int for reason in REASONS)
        and type(told.get("damaged_lines")) is int
        and all(isinstance(each, list) for each in listed)
        and all(isinstance(entry, dict) for each in listed for entry in each)
        and all(isinstance(entry.get("people"), list) for entry in told["flagged"])
    )
    expect(
        fine,
        observed=f"report.json is {json.dumps(told)[:300]}",
        expected="rejected_votes with four counts, damaged_lines, and the lists flagged and alarms",
    )
    named = {name: told[name] for name in ("damaged_lines", "flagged", "alarms")}
    return {**named, "rejected_votes": {reason: rejected[reason] for reason in REASONS}}


def counts(row: dict[str, float]) -> tuple[int, int, int]:
    return int(row["people"]), int(row["up"]), int(row["down"])


def expect_counts(row: dict[str, float], wanted: tuple[int, int, int], given: str) -> None:
    people, up, down = counts(row)
    expect(
        (people, up, down) == wanted,
        observed=f"people {people}, up {up}, down {down}",
        expected=f"people {wanted[0]}, up {wanted[1]}, down {wanted[2]}",
        given=given,
    )


def expect_score(row: dict[str, float], wanted: float, given: str, within: float = 0.03) -> None:
    expect(
        abs(row["score"] - wanted) <= within,
        observed=f"score {row['score']:.3f}",
        expected=f"{wanted:.3f}, give or take {within}",
        given=given,
    )


def expect_labels(found: Export, wanted: dict[str, str], given: str) -> None:
    """The training rows are exactly these showings with these labels."""
    labels = {showing: row["label"] for showing, row in found.rows().items()}
    wrong = [s for s in wanted if s in labels and labels[s] != wanted[s]]
    missing, extra = wanted.keys() - labels.keys(), labels.keys() - wanted.keys()
    expect(
        labels == wanted,
        observed=f"{len(labels)} training rows: {len(missing)} missing, {len(extra)} that should "
        f"not be there, {len(wrong)} with the wrong label",
        expected=f"{len(wanted)} rows, one for each person's standing vote on a card",
        given=given,
    )


# --- the incident --------------------------------------------------------------------------

PLACES = (0.95, 0.6, 0.35, 0.25)


def test_position_undone(submission, rng):
    week = Week(rng)
    # (thumbs up, thumbs down) of a hundred people who notice the card, and its usual place.
    cards = {
        week.name("best-"): (0.85, 0.05, 3),
        week.name("second-"): (0.55, 0.10, 0),
        week.name("third-"): (0.14, 0.01, 2),
        week.name("worst-"): (0.30, 0.50, 1),
    }
    usual = sorted(cards, key=lambda answer: cards[answer][2])
    number = 1500
    for _ in range(number):
        person = week.person(consent=False)
        page = usual if rng.random() < 0.6 else [usual[k] for k in rng.permutation(4)]
        at = week.time(HOUR, 5 * DAY)
        for place, answer in enumerate(page):
            how = {"position": place + 1, "propensity": PLACES[place], "at": at}
            showing = week.shown(person, answer, **how)
            up, down, _ = cards[answer]
            luck = rng.random()
            if rng.random() < PLACES[place] and luck < up + down:
                week.vote(showing, "up" if luck < up else "down", at=at + week.time(5, HOUR))
    given = f"{number} people, each shown four cards; the best card is mostly at the last place"
    found = export(submission, week, given=given)
    got = {answer: found.card(answer, given=given)["score"] for answer in cards}
    truth = {answer: up - down for answer, (up, down, _) in cards.items()}
    listed = ", ".join(f"{answer.split('-')[0]} {score:.2f}" for answer, score in got.items())
    wanted = ", ".join(f"{answer.split('-')[0]} {score:.2f}" for answer, score in truth.items())
    expect(
        sorted(got, key=got.get) == sorted(truth, key=truth.get),
        observed=f"scores {listed}",
        expected=f"the order of what people who notice a card think of it: {wanted}",
        given=given,
    )
    expect(
        all(abs(got[answer] - truth[answer]) <= 0.2 for answer in cards),
        observed=f"scores {listed}",
        expected=f"within 0.2 of {wanted}",
        given=given,
    )


def test_one_person_one_voice(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    up, down, silent = (int(rng.integers(*ends)) for ends in ((14, 18), (22, 26), (50, 60)))
    week.crowd(answer, up, down, silent)
    fan = week.person()
    first = week.shown(fan, answer, at=DAY)
    at = week.vote(first, "up", at=DAY + MINUTE)
    wanted = (up + down + silent + 1, up + 1, down)
    score = (wanted[1] - wanted[2]) / (wanted[0] * 0.5)

    def check(given: str) -> None:
        found = export(submission, week, given=given)
        row = found.card(answer, given=given)
        expect_counts(row, wanted, given)
        expect_score(row, score, given, within=0.05)
        of_fan = [row["showing"] for row in found.training if row["showing"] in fans]
        expect(
            of_fan == fans[-1:],
            observed=f"{len(of_fan)} training rows of one person on one card",
            expected="one, for the showing that they voted on last",
            given=given,
        )

    fans = [first]
    for second in range(1000):
        week.vote(first, "up", at=at + 1 + second)
    check("one person presses the same thumb 1,001 times")
    again = int(rng.integers(150, 200))
    for number in range(again):
        showing = week.shown(fan, answer, at=2 * DAY + number * 60)
        week.vote(showing, "up", at=2 * DAY + number * 60 + 20)
        fans.append(showing)
    check(f"one person asks {again + 1} times, is shown the same card and votes each time")


def test_silence_is_no_dislike(submission, rng):
    week = Week(rng)
    quiet, liked = week.name("quiet-"), week.name("liked-")
    silent, up, down = (int(rng.integers(*ends)) for ends in ((60, 80), (12, 16), (2, 5)))
    week.crowd(quiet, 0, 0, silent)
    week.crowd(liked, up, down, silent)
    given = f"{silent} people say nothing about either card; the second has {up} up and {down} down"
    found = export(submission, week, given=given)
    expect_counts(found.card(quiet, given=given), (silent, 0, 0), given)
    expect_score(found.card(quiet), 0.0, given)
    people = silent + up + down
    expect_counts(found.card(liked, given=given), (people, up, down), given)
    expect_score(found.card(liked), (up - down) / (people * 0.5), given)
    labels = [row["label"] for row in found.training]
    expect(
        (labels.count("good"), labels.count("bad")) == (up, down),
        observed=f"{labels.count('good')} rows labelled good and {labels.count('bad')} bad",
        expected=f"{up} good and {down} bad: no vote, no row",
        given=given,
    )


def two_models(week: Week, rng: Generator, score: tuple, quality: tuple, audits: tuple) -> str:
    """An older and a newer model with exactly these scores, and shares of good audits."""
    told = []
    for number, (model, start) in enumerate((("m-1", HOUR), ("m-2", 3 * DAY))):
        people = int(rng.integers(190, 210))
        net = round(score[number] * people * 0.6)
        down = int(rng.integers(8, 14))
        thumbs = ["up"] * (net + down) + ["down"] * down
        thumbs += [""] * (people - len(thumbs))
        answer = week.name("card-")
        showings = [
            week.opinion(vote, answer, model=model, propensity=0.6, at=start + k * 600)
            for k, vote in enumerate(thumbs)
        ]
        good = round(quality[number] * audits[number])
        verdicts = ["good"] * good + ["bad"] * (audits[number] - good)
        drawn = rng.choice(showings, audits[number], replace=False)
        for showing, verdict in zip(drawn, verdicts, strict=True):
            week.add("audit", 6 * DAY, showing=str(showing), verdict=verdict)
        told.append(
            f"{model}: score {score[number]:.2f}, "
            f"{quality[number]:.0%} of {audits[number]} audits good"
        )
    return "; ".join(told)


def alarms(found: Export) -> list[tuple[object, object]]:
    return [(entry.get("model"), entry.get("before")) for entry in found.report["alarms"]]


def listed(raised: list[tuple[object, object]]) -> str:
    return ", ".join(f"{model}, with {before} before it" for model, before in raised) or "none"


def test_flattery_alarm(submission, rng):
    week = Week(rng)
    low, high = float(rng.uniform(0.15, 0.25)), float(rng.uniform(0.45, 0.6))
    was, became = float(rng.uniform(0.85, 0.95)), float(rng.uniform(0.55, 0.65))
    audits = (50, int(rng.integers(60, 90)))
    if rng.random() < 0.5:
        audits = audits[::-1]
    given = two_models(week, rng, (low, high), (was, became), audits)
    raised = alarms(export(submission, week, given=given))
    expect(
        raised == [("m-2", "m-1")],
        observed=f"alarms: {listed(raised)}",
        expected="one: m-2, with m-1 before it",
        given=given,
    )


# --- neighbours ----------------------------------------------------------------------------


def test_standing_vote(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    labels: dict[str, str] = {}
    paths = [("up",), ("down", "up"), ("up", "down"), ("up", "none"), ("down", "none", "up"),
             ("none", "down"), ("up", "down", "none"), ("down", "up", "down")]  # fmt: skip
    for _ in range(4):
        for path in paths:
            showing = week.shown(week.person(), answer)
            at = week.shown_at[showing][0]
            for step, vote in enumerate(path, 1):
                week.vote(showing, vote, at=at + step * week.time(60, 90))
            if path[-1] != "none":
                labels[showing] = {"up": "good", "down": "bad"}[path[-1]]
    up, down = list(labels.values()).count("good"), list(labels.values()).count("bad")
    given = "people who change their vote and take it back; the log's lines are not in order"
    lines = week.lines()
    lines += [lines[k] for k in rng.choice(len(lines), len(lines) // 2, replace=False)]
    found = export(submission, week, lines=lines, given=given)
    expect_counts(found.card(answer, given=given), (4 * len(paths), up, down), given)
    expect_labels(found, labels, given)


def told_apart(rejected: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in rejected.items())


def test_votes_that_match(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    up, down = int(rng.integers(10, 20)), int(rng.integers(3, 8))
    week.crowd(answer, up, down, 12)
    wanted = dict(zip(REASONS, (int(n) for n in rng.integers(2, 8, 4)), strict=True))
    silent = [week.opinion("", answer) for _ in range(20)]
    people = up + down + 12 + len(silent)
    for _ in range(wanted["unknown_showing"]):
        fields = {"showing": week.name("s"), "person": week.person(), "model": "m-1"}
        week.add("vote", week.time(DAY, 6 * DAY), vote="up", **fields)
    for k in range(wanted["other_person"]):
        week.vote(silent[k], "up", person=week.person())
    for k in range(wanted["other_model"]):
        week.vote(silent[7 + k], "up", model="m-2")
    for k in range(wanted["too_early"]):
        week.vote(silent[k], "up", at=week.shown_at[silent[k]][0] - week.time(60, 3000))
    given = f"votes that do not match what was shown: {told_apart(wanted)}"
    found = export(submission, week, given=given)
    expect_counts(found.card(answer, given=given), (people, up, down), given)
    told = {reason: found.report["rejected_votes"][reason] for reason in REASONS}
    expect(
        told == wanted,
        observed=f"rejected_votes: {told_apart(told)}",
        expected=told_apart(wanted),
        given=given,
    )
    expect(
        len(found.training) == up + down,
        observed=f"{len(found.training)} training rows",
        expected=f"{up + down}: a rejected vote is no label",
        given=given,
    )


def test_versions_apart(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    both, labels = int(rng.integers(12, 18)), {}
    extra = int(rng.integers(3, 8))
    for _ in range(both):
        person = week.person()
        for model, vote, start in (("m-1", "down", HOUR), ("m-2", "up", 3 * DAY)):
            showing = week.shown(person, answer, model=model, at=start + week.time(0, DAY))
            week.vote(showing, vote)
            labels[showing] = {"up": "good", "down": "bad"}[vote]
    for _ in range(extra):
        labels[week.opinion("up", answer, model="m-1", at=DAY)] = "good"
    given = f"{both} people vote a card of m-1 down and later the same card of m-2 up"
    found = export(submission, week, given=given)
    expect_counts(found.card(answer, "m-1", given), (both + extra, extra, both), f"{given}: m-1")
    expect_counts(found.card(answer, "m-2", given), (both, both, 0), f"{given}: m-2")
    expect_labels(found, labels, given)


def test_late_outcomes(submission, rng):
    week = Week(rng)
    wanted: dict[str, object] = {}
    for _ in range(12):
        person = week.person()
        first, second = (
            week.shown(person, week.name("card-"), at=at + week.time(0, HOUR))
            for at in (DAY, 2 * DAY)
        )
        for showing in (first, second):
            week.vote(showing, "up" if rng.random() < 0.5 else "down", at=2 * DAY + 2 * HOUR)
        solved = bool(rng.random() < 0.5)
        if rng.random() < 0.5:
            week.add("outcome", 3 * DAY, showing=first, solved=not solved)
        week.add("outcome", 4 * DAY + week.time(0, HOUR), showing=first, solved=solved)
        wanted |= {first: solved, second: None}
    given = "twelve people vote on two cards; days later it turns out how the first case ended"
    got = {s: row["solved"] for s, row in export(submission, week, given=given).rows().items()}
    told = {s: json.dumps(got[s]) if s in got else "(no row)" for s in wanted}
    wrong = [s for s in wanted if told[s] != json.dumps(wanted[s])]
    some = [f"{told[s]} instead of {json.dumps(wanted[s])}" for s in wrong[:2]]
    expect(
        not wrong,
        observed=f"solved is wrong for {len(wrong)} of {len(wanted)} showings, such as "
        f"{', '.join(some)}",
        expected="the last outcome of that very showing, and null for the others",
        given=given,
    )


def test_as_of_now(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    now = 4 * DAY
    early = [week.opinion("up", answer, at=week.time(HOUR, DAY)) for _ in range(30)]
    week.crowd(answer, 0, 5, 5, at=DAY)
    known = [event for event in week.events if event["at"] <= stamp(now)]
    for showing in early[:10]:
        week.vote(showing, "down", at=now + week.time(MINUTE, DAY))
    for showing in early[10:20]:
        week.add("outcome", now + HOUR, showing=showing, solved=True)
    for showing in early[20:25]:
        person = week.shown_at[showing][1]["person"]
        week.consent(person, False, at=now + HOUR)
        week.vote(showing, "up", person=week.person(consent=False), at=now + 2 * HOUR)
    week.crowd(answer, 0, 6, 3, at=now + DAY)
    given = "the log goes on for two days after --now"
    tonight = export(submission, week, at=now, given=given)
    alone = export(submission, week, lines=week.lines(known), at=now, given=given)
    expect_counts(tonight.card(answer, given=given), (40, 30, 5), given)
    for what, got, wanted in (
        ("scores.csv", rounded(tonight), rounded(alone)),
        ("training.jsonl", tonight.rows(), alone.rows()),
        ("report.json", tonight.report, alone.report),
    ):
        expect(
            got == wanted,
            observed=f"{what} differs from that of a log which ends at --now",
            expected="the same content: what comes later is not known yet",
            given=given,
        )


def rounded(found: Export) -> dict[tuple[str, str], list[float]]:
    return {card: [*counts(row), round(row["score"], 6)] for card, row in found.scores.items()}


def test_rare_places(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    for _ in range(1000):
        luck, place = rng.random(), float(rng.choice(PLACES))
        noticed = rng.random() < place
        vote = ("up" if luck < 0.3 else "down" if luck < 0.5 else "") if noticed else ""
        showing = week.shown(week.person(consent=False), answer, propensity=place)
        if vote:
            week.vote(showing, vote)
    rare = float(rng.uniform(0.0002, 0.0008))
    far_down = week.shown(week.person(), answer, position=40, propensity=rare)
    before = export(submission, week).card(answer)["score"]
    vote = str(rng.choice(["up", "down"]))
    week.vote(far_down, vote)
    given = f"1,001 people; one of them votes {vote} at a place of propensity {rare:.4f}"
    after = export(submission, week, given=given).card(answer, given=given)["score"]
    expect(
        abs(after - before) <= 0.1,
        observed=f"the score goes from {before:.3f} to {after:.3f} with that one vote",
        expected="a move of 0.1 at most",
        given=given,
    )


# --- people --------------------------------------------------------------------------------


def test_withdrawn_consent(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    stay, leave, back, never = [], [], [], []
    for group in (stay, leave, back, never):
        for _ in range(int(rng.integers(5, 10))):
            person = week.person(consent=group is not never)
            showing = week.shown(person, answer, at=HOUR + week.time(0, HOUR))
            week.vote(showing, "up" if rng.random() < 0.7 else "down", at=10 * HOUR)
            group.append((person, showing))
    for person, _ in leave + back:
        week.consent(person, False, at=2 * DAY + week.time(0, HOUR))
    for person, _ in back:
        week.consent(person, True, at=3 * DAY + week.time(0, HOUR))
    same = "same --out folder as the night before"
    nights = (
        (DAY, stay + leave + back, "the first night; some people never gave their consent"),
        (2.5 * DAY, stay, f"{len(leave + back)} people have withdrawn their consent; {same}"),
        (4 * DAY, stay + back, f"{len(back)} of these have given it again; {same}"),
    )
    everybody = stay + leave + back + never
    for night, wanted, given in nights:
        found = export(submission, week, at=night, given=given)
        allowed, there = {showing for _, showing in wanted}, set(found.rows())
        expect(
            there == allowed,
            observed=f"{len(there - allowed)} training rows of people without consent, "
            f"{len(allowed - there)} rows of people with it are missing",
            expected="the rows of those whose last word is yes, and no others",
            given=given,
        )
        people = found.card(answer, given=given)["people"]
        expect(
            people == len(everybody),
            observed=f"people is {people:g} in scores.csv",
            expected=f"{len(everybody)}: consent is about training, scores go on counting",
            given=given,
        )


def test_evaluation_people(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    labels, held_out = {}, int(rng.integers(10, 20))
    for _ in range(held_out):
        week.vote(week.shown(week.person(evaluation=True), answer), "up")
    for _ in range(int(rng.integers(10, 20))):
        labels[week.opinion("up", answer)] = "good"
    strangers = int(rng.integers(5, 10))
    for _ in range(strangers):
        stranger = week.name("u")
        week.consent(stranger, True, at=0)
        week.vote(week.shown(stranger, answer), "up")
    given = (
        f"{held_out} evaluation people and {strangers} who are not in people.csv, all consenting"
    )
    found = export(submission, week, given=given)
    expect_labels(found, labels, given)
    people = held_out + len(labels)
    expect_counts(found.card(answer, given=given), (people, people, 0), given)


def test_no_personal_data(submission, rng):
    week = Week(rng)

    def digits(number: int) -> str:
        return "".join(str(rng.integers(1, 10)) for _ in range(number))

    def word(number: int) -> str:
        return "".join(rng.choice(list("abcdefghikmnoprstuvw"), number))

    account = f"DE{digits(2)}{digits(18)}"
    secrets = [
        f"{word(6)}.{word(5)}@{word(7)}.example",
        f"{word(5).upper()}_{digits(2)}@Mail.{word(5).title()}.Example",
        f"{word(4)}+{word(3)}@{word(6)}-{word(3)}.co.example",
        f"+49 {digits(3)} {digits(4)} {digits(3)}",
        f"0{digits(3)}/{digits(7)}",
        f"+1 ({digits(3)}) {digits(3)}-{digits(4)}",
        f"00{digits(12)}",
        account,
        " ".join(account[k : k + 4] for k in range(0, len(account), 4)),
        f"NL{digits(2)}{word(4).upper()}{digits(10)}",
    ]
    held: dict[str, tuple[str, str, str]] = {}
    for secret in secrets:
        before, after = word(7), word(7)
        comment = f"please {before} me at {secret} and {after} it."
        held[week.opinion("down", week.name("card-"), comment)] = secret, before, after
    text = f"{secrets[0]}, or {secrets[4]}"
    held[week.opinion("up", week.name("card-"), text)] = secrets[0], "or", "or"
    rows = export(submission, week).rows()
    for showing, (secret, before, after) in held.items():
        given = f"a comment that holds {secret}"
        expect(showing in rows, observed="no row", expected="a training row", given=given)
        comment = rows[showing]["comment"]
        squeezed = "".join(filter(str.isalnum, comment.lower()))
        kept = "".join(filter(str.isalnum, secret.lower()))
        pieces = [kept[k : k + 6] for k in range(len(kept) - 5)]
        expect(
            not any(piece in squeezed for piece in pieces),
            observed=f"the comment is '{comment}'",
            expected=f"nothing of {secret} that could be used",
            given=given,
        )
        expect(
            before in comment and after in comment,
            observed=f"the comment is '{comment}'",
            expected=f"the words around it, such as '{before}' and '{after}'",
            given=given,
        )
    whole = submission.text(f"{OUT}/training.jsonl")
    named = [person for person, _, _ in week.people if person in whole]
    expect(
        not named,
        observed=f"{len(named)} person ids stand in training.jsonl",
        expected="none",
        given="people who voted",
    )


# --- abuse and faults ----------------------------------------------------------------------


def burst(week: Week, answer: str, vote: str, times: list[float], age_days=None) -> list[str]:
    """One person for each of these times, with an account of a few hours unless told."""
    showings = []
    for at in times:
        age = -(at - week.time(HOUR, 20 * HOUR)) / DAY if age_days is None else age_days
        showing = week.shown(week.person(age_days=age), answer, at=at - 30)
        week.vote(showing, vote, at=at)
        showings.append(showing)
    return showings


def test_brigade(submission, rng):
    week, answer, other = Week(rng), Week(rng).name("card-"), Week(rng).name("other-")
    up, down = int(rng.integers(8, 12)), int(rng.integers(30, 40))
    week.crowd(answer, up, down, 20)
    honest = up + down + 20
    size, midnight = int(rng.integers(24, 34)), 3 * DAY
    # Evenly over 50 minutes, half of them before midnight.
    times = [midnight - 25 * MINUTE + k * 50 * MINUTE // size for k in range(size)]
    showings = burst(week, answer, "up", times)
    members = {week.shown_at[showing][1]["person"] for showing in showings}
    elsewhere = {}
    for person in sorted(members)[:5]:
        showing = week.shown(person, other, at=4 * DAY)
        week.vote(showing, "down", at=4 * DAY + HOUR)
        elsewhere[showing] = "bad"
    given = f"{size} accounts, hours old, vote a card up between 23:35 and 0:25"
    found = export(submission, week, given=given)
    flagged = found.report["flagged"]
    expect(
        len(flagged) == 1
        and (flagged[0].get("answer"), flagged[0].get("model")) == (answer, "m-1")
        and sorted(map(str, flagged[0]["people"])) == sorted(members),
        observed=f"{len(flagged)} entries in flagged{': ' if flagged else ''}"
        + "; ".join(
            f"{entry.get('answer')} of {entry.get('model')} with {len(entry['people'])} people, "
            f"{len(members.intersection(map(str, entry['people'])))} of them those who came"
            for entry in flagged[:3]
        ),
        expected=f"one entry: {answer} of m-1 with those {size} people",
        given=given,
    )
    expect_counts(found.card(answer, given=given), (honest, up, down), given)
    expect_score(found.card(answer), (up - down) / (honest * 0.5), given)
    there = found.rows()
    expect(
        not any(showing in there for showing in showings),
        observed=f"{sum(showing in there for showing in showings)} of the brigade's votes are "
        "training rows",
        expected="none",
        given=given,
    )
    expect(
        all(showing in there for showing in elsewhere),
        observed=f"{sum(s in there for s in elsewhere)} of the {len(elsewhere)} votes that five of "
        "them cast on another card, a day later, are training rows",
        expected="all of them: it is this card that they came for",
        given=given,
    )


def test_damaged_lines(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    up, down, silent = (int(n) for n in rng.integers(8, 20, 3))
    week.crowd(answer, up, down, silent)
    whole = week.lines()
    showing = next(iter(week.shown_at))
    shown = {"type": "shown", "id": week.name("e"), "at": stamp(DAY), "showing": week.name("s")}
    shown |= {"person": week.people[0][0], "answer": answer, "model": "m-1", "position": 2}
    vote = {"type": "vote", "id": week.name("e"), "at": stamp(2 * DAY), "showing": showing}
    vote |= {"person": week.shown_at[showing][1]["person"], "model": "m-1"}
    broken: list[Any] = [
        shown,
        {**shown, "propensity": 0},
        {**shown, "propensity": -0.4},
        {**shown, "propensity": 1.7},
        {**shown, "propensity": math.nan},
        {**shown, "propensity": "high"},
        {**shown, "propensity": 0.5, "person": None},
        {**shown, "propensity": 0.5, "at": "yesterday"},
        {**vote, "vote": "meh"},
        {**vote, "vote": "down", "at": None},
        {"type": "audit", "id": week.name("e"), "at": stamp(DAY), "showing": showing, "verdict": 3},
        {"type": "outcome", "id": week.name("e"), "at": stamp(DAY), "solved": True},
        {"id": week.name("e"), "at": stamp(DAY)},
        ["shown"],
        "shown",
        7,
    ]
    for event in broken:
        if isinstance(event, dict):
            event["id"] = week.name("e")
    lines = [json.dumps(event).encode() for event in broken]
    torn = json.dumps({**vote, "vote": "down", "comment": "torn"}).encode()
    lines.append(torn[: len(torn) // 2])
    lines.append(b'{"type": "vote", "comment": "\xc3')
    foreign = {"type": "page_left", "id": week.name("e"), "at": stamp(DAY), "after_ms": 4100}
    body = [line.encode() for line in whole] + lines + [json.dumps(foreign).encode()]
    body = [b"", b"", *(body[k] for k in rng.permutation(len(body)))]
    submission.write({"events.jsonl": b"\n".join(body) + b"\n", "people.csv": week.people_csv()})
    given = f"a log with {len(lines)} damaged lines, two empty ones, an event of another type"
    found = run(submission, given=given)
    people = up + down + silent
    expect_counts(found.card(answer, given=given), (people, up, down), given)
    expect(
        found.report["damaged_lines"] == len(lines),
        observed=f"damaged_lines is {found.report['damaged_lines']}",
        expected=f"{len(lines)}",
        given=given,
    )
    expect(
        len(found.training) == up + down,
        observed=f"{len(found.training)} training rows",
        expected=f"{up + down}",
        given=given,
    )


def test_refuses_people_file(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    week.crowd(answer, 8, 4, 5)
    export(submission, week)
    before = {name: submission.file(f"{OUT}/{name}") for name in FILES}
    listed = set(submission.listing(OUT))
    rows = list(csv.reader(io.StringIO(week.people_csv())))
    spoilt = [list(row) for row in rows]
    spoilt[int(rng.integers(1, len(rows)))][2] = str(rng.choice(["", "yes", "2"]))
    for table, given in (
        ([row[:2] for row in rows], "people.csv without the column evaluation"),
        (spoilt, "people.csv with an evaluation that is neither 0 nor 1"),
    ):
        text = "".join(",".join(row) + "\n" for row in table)
        submission.write({"people.csv": text})
        done = submission.run(["python", "-m", "feedback", *arguments()])
        said = done.last_lines or "(nothing)"
        expect(
            done.exit_code == 2 and "evaluation" in done.stderr,
            observed=f"exit code {done.exit_code}; standard error: {said}",
            expected="exit code 2, and the column's name on standard error",
            given=given,
        )
        after = {name: submission.file(f"{OUT}/{name}") for name in FILES}
        expect(
            after == before and set(submission.listing(OUT)) == listed,
            observed="files in the --out folder changed or appeared",
            expected="yesterday's files as they were",
            given=given,
        )


def test_repeatable(submission, rng):
    week, answer = Week(rng), Week(rng).name("card-")
    for place in PLACES:
        up, down, silent = (int(n) for n in rng.integers(5, 15, 3))
        week.crowd(answer, up, down, silent, propensity=place)
    lines = week.lines()
    first = export(submission, week, lines=lines)
    before = {name: submission.file(f"{OUT}/{name}") for name in FILES}
    run(submission)
    changed = [name for name in FILES if submission.file(f"{OUT}/{name}") != before[name]]
    expect(
        not changed,
        observed=f"{', '.join(changed)} changed",
        expected="the same files, byte for byte",
        given="the job runs a second time, with the same log and the same --out",
    )
    twice = week.lines() + [lines[k] for k in rng.choice(len(lines), 40, replace=False)]
    given = "the log's lines in another order, 40 of them delivered twice"
    again = export(submission, week, lines=twice, given=given)
    expect(
        again.rows() == first.rows() and again.report == first.report,
        observed="other training rows or another report",
        expected="the same",
        given=given,
    )
    row = again.card(answer, given=given)
    expect_counts(row, counts(first.card(answer)), given)
    expect_score(row, first.card(answer)["score"], given, within=1e-6)


# --- usefulness ----------------------------------------------------------------------------


def test_no_false_brigade(submission, rng):
    week = Week(rng)
    letter, slow, split = week.name("letter-"), week.name("slow-"), week.name("split-")
    known = int(rng.integers(40, 60))
    start = 2 * DAY + week.time(0, HOUR)
    times = [start + k * 40 * MINUTE // known for k in range(known)]
    burst(week, letter, "up", times, age_days=float(rng.uniform(20, 900)))
    fresh = int(rng.integers(30, 40))
    burst(week, slow, "up", [HOUR + k * 3 * HOUR for k in range(fresh)])
    for vote in ("up", "down"):
        burst(week, split, vote, [start + k * 300 for k in range(8)])
    given = (
        f"{known} long-standing customers vote on one card (letter) within 40 minutes; {fresh} new "
        "ones on another (slow), one every three hours; on a third (split) 8 new ones vote up and "
        "8 down within the hour"
    )
    found = export(submission, week, given=given)
    flagged = [str(entry.get("answer")).split("-")[0] for entry in found.report["flagged"]]
    expect(
        not flagged,
        observed=f"flagged: votes on {', '.join(flagged)}",
        expected="none",
        given=given,
    )
    expect_counts(found.card(letter, given=given), (known, known, 0), given)
    expect_counts(found.card(slow, given=given), (fresh, fresh, 0), given)
    expect_counts(found.card(split, given=given), (16, 8, 8), given)


def test_no_false_alarm(submission, rng):
    score, quality, audits = (0.2, 0.5), (0.9, 0.6), (80, 80)
    better = (float(rng.uniform(0.5, 0.6)), float(rng.uniform(0.7, 0.8)))
    for what, thumbs, marks, number in (
        ("thumbs and quality rise together", score, better, audits),
        ("quality falls, and so do the thumbs", score[::-1], quality, audits),
        ("quality is as it was", score, (0.8, 0.8), audits),
        ("ten audits prove nothing", score, quality, (80, int(rng.integers(8, 12)))),
        ("49 audits are too few", score, quality, (49, 80)),
    ):
        week = Week(rng)
        given = f"{what}: {two_models(week, rng, thumbs, marks, number)}"
        raised = alarms(export(submission, week, given=given))
        expect(
            not raised,
            observed=f"alarms: {listed(raised)}",
            expected="none",
            given=given,
        )


def test_exports_what_it_may(submission, rng):
    week = Week(rng)
    comments = [
        f"charged {rng.integers(20, 400)}.{rng.integers(10, 99)} euro on "
        f"2026-03-0{rng.integers(1, 9)}",
        f"meter says {rng.integers(100000, 999999)}, not {rng.integers(100000, 999999)} kWh",
        f"meter 0{rng.integers(10000, 99999)}: still error {rng.integers(400, 599)}",
        f"between 9:15 and 17:30, tariff Öko-{rng.integers(10, 99)} \u2013 “fine” @ home",
        "one line\u2028and another\nand a third",
        "",
    ]
    labels, texts = {}, {}
    for _ in range(5):
        for comment in [*comments, None]:
            vote = str(rng.choice(["up", "down"]))
            how = {
                "model": str(rng.choice(["m-1", "m-2"])),
                "propensity": float(rng.choice(PLACES)),
            }
            showing = week.opinion(vote, week.name("card-"), comment, **how)
            labels[showing] = {"up": "good", "down": "bad"}[vote]
            texts[showing] = comment or ""
    given = f"{len(labels)} people who consent, each with one vote, most with a comment"
    found = export(submission, week, given=given)
    expect_labels(found, labels, given)
    for row in found.training:
        shown = week.shown_at[row["showing"]][1]
        expect(
            (row["answer"], row["model"]) == (shown["answer"], shown["model"]),
            observed=f"a row with {row['answer']} of {row['model']}",
            expected=f"{shown['answer']} of {shown['model']}, as shown",
            given=given,
        )
        expect(
            row["comment"] == texts[row["showing"]],
            observed=f"the comment '{row['comment']}'",
            expected=f"'{texts[row['showing']]}': there is nothing personal in it",
            given=given,
        )
