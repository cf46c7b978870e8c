"""Made-up weeks of referral letters at sites whose models are modest, boastful or simply bad."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.special import expit
from scipy.stats import norm

from grader.judge import Raised, Submission, expect

CHANNELS = ("fax", "portal", "post", "e-mail")
CLINICS = ("cardiology", "dermatology", "neurology", "orthopaedics", "urology")
CALIBRATION = "letter,fold,site,channel,age,pages,proposal,confidence,truth"
LETTERS = "letter,site,channel,age,pages,proposal,confidence,harm,waiting_days"
ROUTED = ("letter", "action", "place", "reason", "detail")
REASONS = ("sure", "doubtful", "unproven", "unfamiliar")
PLENTY = 100_000
SITES = ("quay", "mill", "abbey", "north", "hill", "ferry", "park", "bridge", "lock", "field",
         "heath", "cross")  # fmt: skip


# --- models and their letters --------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """How often a site's proposals are right, and what its model says about that.

    `ease` is how easy letters are: normal, with this mean and spread. A letter of ease z is
    proposed rightly with probability expit(z), and the model tells `says(z)`.
    """

    says: Callable[[np.ndarray], np.ndarray]
    mean: float = 2.5
    spread: float = 3.0

    def grid(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Confidences of letters that stand for all of the site's, and their error rates."""
        ease = self.mean + self.spread * norm.ppf((np.arange(number) + 0.5) / number)
        return np.round(self.says(ease), 4), 1 - expit(ease)

    def draw(self, rng: Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Confidences of letters as they come, and which of their proposals are wrong."""
        ease = rng.normal(self.mean, self.spread, number)
        return np.round(self.says(ease), 4), rng.random(number) > expit(ease)

    def best_share(self, risk: float) -> float:
        """The largest share of letters that can be booked at this error rate, if all is known."""
        confidence, wrong = self.grid(4000)
        order = np.argsort(-confidence, kind="stable")
        rates = np.cumsum(wrong[order]) / np.arange(1, 4001)
        return float((rates <= risk).sum() / 4000)


def modest(rng: Generator) -> Model:
    """Says 0.7 where it is right in 95 of 100: nearly nothing of it is above 0.9."""
    slope = rng.uniform(0.24, 0.31)
    return Model(lambda ease: expit(slope * ease))


def boastful(rng: Generator) -> Model:
    """Says 0.95 where it is right in 65 of 100."""
    slope, shift = rng.uniform(1.8, 2.4), rng.uniform(1.2, 1.8)
    return Model(lambda ease: expit(slope * ease + shift))


def hopeless(rng: Generator) -> Model:
    """Says 0.8 to 1 and is right in two of three, whatever it says."""
    low = rng.uniform(0.7, 0.8)
    return Model(lambda ease: low + (1 - low) * expit(100 * (ease - 0.7)), mean=0.7, spread=0.01)


def flawless(rng: Generator) -> Model:
    """Is always right, and says something between 0.3 and 1."""
    slope = rng.uniform(0.24, 0.31)
    return Model(lambda ease: expit(slope * (ease - 97)), mean=100.0)


@dataclass
class Export:
    """Rows of a calibration file."""

    rng: Generator
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        site: str,
        confidence: Iterable[float],
        wrong: Iterable[bool],
        fold: str = "calibration",
        **cells: Any,
    ) -> list[dict[str, Any]]:
        pairs = list(zip(np.asarray(confidence).tolist(), np.asarray(wrong).tolist(), strict=True))
        made = features(self.rng, site, [each for each, _ in pairs])
        for row, (_, bad) in zip(made, pairs, strict=True):
            clinic = CLINICS.index(row["proposal"])
            row |= {"fold": fold, "truth": CLINICS[(clinic + 2) % 5] if bad else CLINICS[clinic]}
            row |= cells
        self.rows += made
        return made

    def text(self, shuffled: bool = True) -> str:
        rows = self.rows
        if shuffled:
            rows = [rows[k] for k in self.rng.permutation(len(rows))]
        return as_csv(CALIBRATION, rows)


def features(rng: Generator, site: str, confidence: list[float]) -> list[dict[str, Any]]:
    number = len(confidence)
    names = rng.integers(16**9, 16**10, number).tolist()
    channels, clinics = rng.integers(0, 4, number).tolist(), rng.integers(0, 5, number).tolist()
    ages, pages = rng.integers(18, 91, number).tolist(), rng.integers(1, 13, number).tolist()
    return [
        {"letter": f"L{names[k]:010x}", "site": site, "channel": CHANNELS[channels[k]],
         "age": ages[k], "pages": pages[k], "proposal": CLINICS[clinics[k]],
         "confidence": confidence[k]}
        for k in range(number)
    ]  # fmt: skip


def letters(
    rng: Generator, site: str, confidence: Iterable[float], *, harm=None, days=None, **cells: Any
) -> list[dict[str, Any]]:
    """One day's letters, well within what the calibration files show."""
    made = features(rng, site, np.asarray(confidence, float).tolist())
    for row in made:
        row |= {"age": int(rng.integers(28, 81)), "pages": int(rng.integers(3, 11))}
        row["harm"] = int(rng.integers(1, 101)) if harm is None else harm
        row["waiting_days"] = int(rng.integers(0, 4)) if days is None else days
        row |= cells
    return made


def as_csv(header: str, rows: list[dict[str, Any]]) -> str:
    names = header.split(",")
    lines = [",".join([str(row[name]) for name in names]) for row in rows]
    return "\n".join([header, *lines, ""])


# --- the two commands ----------------------------------------------------------------------


@dataclass(frozen=True)
class Routed:
    action: str
    place: int
    reason: str
    detail: str


def start(submission: Submission, argv: list[str], given: str, codes: tuple[int, ...]) -> int:
    try:
        code = submission.call("desk.__main__:main", argv)
        observed = f"{argv[0]} ended with exit code {code}"
    except Raised as error:
        code = observed = f"{argv[0]} raised {error.type}: {error.message}"
    printed = submission.log().strip().rpartition("\n")[2][:200]
    expect(
        type(code) is int and code in codes,
        observed=f"{observed}; it printed: {printed or '(nothing)'}",
        expected=f"exit code {' or '.join(map(str, codes))}",
        given=given,
    )
    return code


def fit(
    submission: Submission,
    export: Export | str,
    risk: float,
    capacity: int = PLENTY,
    given: str = "",
    codes: tuple[int, ...] = (0, 3),
    out: str = "policy.json",
) -> int:
    text = export if isinstance(export, str) else export.text()
    submission.write({"cal.csv": text})
    argv = ["fit", "--cal", "cal.csv", "--risk", f"{risk:g}", "--capacity", str(capacity)]
    return start(submission, [*argv, "--out", out], given or "a calibration file", codes)


def route(
    submission: Submission,
    rows: list[dict[str, Any]],
    given: str = "",
    header: str = LETTERS,
    policy: str = "policy.json",
) -> dict[str, Routed]:
    submission.write({"letters.csv": as_csv(header, rows)})
    argv = ["route", "--policy", policy, "--in", "letters.csv", "--out", "routed.csv"]
    start(submission, argv, given or f"{len(rows)} letters", (0,))
    return routed(submission, rows, given)


def routed(submission: Submission, rows: list[dict[str, Any]], given: str) -> dict[str, Routed]:
    found: dict[str, Routed] = {}
    for row in submission.csv("routed.csv", ROUTED):
        try:
            place = 0 if row["place"] == "" else int(float(row["place"]))
        except (ValueError, OverflowError):
            place = -1
        fine = (
            row["action"] in ("auto", "ask", "wait")
            and row["reason"] in REASONS
            and (row["action"] == "auto") == (row["reason"] == "sure") == (place == 0)
            and row["letter"] not in found
        )
        expect(
            fine,
            observed=f"routed.csv has the row {json.dumps(row)}",
            expected="a row for each letter: auto with reason sure and no place; ask or wait with "
            "another reason and a place from 1 on",
            given=given,
        )
        found[row["letter"]] = Routed(row["action"], place, row["reason"], row["detail"])
    wanted = {row["letter"] for row in rows}
    expect(
        found.keys() == wanted,
        observed=f"routed.csv has {len(found)} letters, of which {len(found.keys() & wanted)} "
        "were in the day's file",
        expected=f"each of the day's {len(wanted)} letters",
        given=given,
    )
    queue = sorted((each for each in found.values() if each.place), key=lambda each: each.place)
    actions = [each.action for each in queue]
    expect(
        [each.place for each in queue] == list(range(1, len(queue) + 1))
        and actions == sorted(actions),
        observed=f"{len(queue)} letters in the queue, with places {[e.place for e in queue[:12]]} …"
        f" and {actions.count('ask')} to ask",
        expected="places 1, 2, 3 and so on, those to ask before those that wait",
        given=given,
    )
    return found


def booked(found: dict[str, Routed]) -> set[str]:
    return {letter for letter, each in found.items() if each.action == "auto"}


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def some_risk(rng: Generator, least: float = 0.04) -> float:
    return float(rng.choice([risk for risk in (0.04, 0.05, 0.06, 0.07) if risk >= least]))


# --- the incident --------------------------------------------------------------------------

DRAWS, ALLOWED, SAMPLE, TRAINED = 48, 12, 400, 120


def keeps_the_target(submission: Submission, rng: Generator, model: Model, what: str) -> None:
    risk = min(some_risk(rng), 0.06)
    given = (
        f"a model that is {what}, {SAMPLE} calibration letters and {TRAINED} train rows a site, "
    )
    given += f"--risk {risk:g}"
    confidence, wrong = model.grid(120)
    easier = Model(model.says, mean=4.0)
    rates = []
    for _ in range(DRAWS // len(SITES)):
        export = Export(rng)
        for site in SITES:
            export.add(site, *model.draw(rng, SAMPLE))
            export.add(site, easier.draw(rng, TRAINED)[0], rng.random(TRAINED) < 0.004, "train")
        fit(submission, export, risk, given=given)
        day = {site: letters(rng, site, confidence) for site in SITES}
        auto = booked(route(submission, [row for rows in day.values() for row in rows], given))
        for rows in day.values():
            kept = [row["letter"] in auto for row in rows]
            rates.append(float(wrong[kept].mean()) if any(kept) else 0.0)
    over = sum(rate > risk for rate in rates)
    expect(
        over <= ALLOWED,
        observed=f"in {over} of {DRAWS} sites the true error rate of what was booked is above "
        f"{percent(risk)}; the worst has {percent(max(rates))}",
        expected=f"one in ten at most (this test lets {ALLOWED} of {DRAWS} pass)",
        given=given,
    )


def test_boastful_model(submission, rng):
    keeps_the_target(submission, rng, boastful(rng), "surer of itself than it should be")


def test_modest_model(submission, rng):
    keeps_the_target(submission, rng, modest(rng), "less sure of itself than it could be")


def test_capacity(submission, rng):
    risk, model = some_risk(rng), modest(rng)
    export = Export(rng)
    export.add("quay", *model.draw(rng, 1500))
    text = export.text()
    day = letters(rng, "quay", model.draw(rng, 400)[0])
    fit(submission, text, risk)
    free = booked(route(submission, day, f"400 letters, --capacity {PLENTY}"))
    for capacity in (int(rng.integers(15, 40)), 0):
        given = f"400 letters, of which {len(free)} are booked at --capacity {PLENTY}; now "
        given += f"--capacity {capacity}"
        fit(submission, text, risk, capacity, given)
        found = route(submission, day, given)
        actions = [each.action for each in found.values()]
        expect(
            booked(found) == free,
            observed=f"{len(booked(found))} letters are booked, {len(booked(found) - free)} of "
            "them only because fewer can be read",
            expected="the same letters as with enough nurses; the rest waits",
            given=given,
        )
        wanted = min(capacity, len(day) - len(free))
        expect(
            actions.count("ask") == wanted,
            observed=f"{actions.count('ask')} letters to ask, {actions.count('wait')} to wait",
            expected=f"{wanted} to ask",
            given=given,
        )


def test_nothing_proven(submission, rng):
    risk = some_risk(rng, 0.05)
    bad, good = rng.choice(SITES, 2, replace=False).tolist()
    export = Export(rng)
    model = hopeless(rng)
    export.add(bad, *model.draw(rng, 1000))
    submission.write({"cal.csv": export.text()})
    argv = ["--cal", "cal.csv", "--risk", f"{risk:g}", "--capacity", "50", "--out", "policy.json"]
    given = f"one site, {bad}, whose model is wrong in a third of all letters; --risk {risk:g}"
    done = submission.run(["python", "-m", "desk", "fit", *argv])
    expect(
        done.exit_code == 3,
        observed=f"fit ended with exit code {done.exit_code}",
        expected="exit code 3: a policy is written, and it books nothing",
        given=given,
    )
    expect(
        bad in done.stderr,
        observed=f"standard error: {done.last_lines or '(nothing)'}",
        expected=f"that it names {bad}",
        given=given,
    )
    sites(submission, {bad: False}, False, given)
    day = letters(rng, bad, [*model.draw(rng, 60)[0], *[0.99] * 5, *[1.0] * 5])
    all_asked(route(submission, day, given), day, given)

    given = f"{bad} as before, and {good} with a good model; --risk {risk:g}"
    export.add(good, *modest(rng).draw(rng, 2500))
    fit(submission, export, risk, 50, given, codes=(0,))
    sites(submission, {bad: False, good: True}, True, given)
    fine = letters(rng, good, [0.999])
    found = route(submission, day + fine, given)
    all_asked({row["letter"]: found[row["letter"]] for row in day}, day, given)


def all_asked(found: dict[str, Routed], day: list[dict[str, Any]], given: str) -> None:
    auto = booked(found)
    expect(
        not auto,
        observed=f"{len(auto)} of {len(day)} letters are booked",
        expected="none",
        given=given,
    )
    reasons = sorted({each.reason for each in found.values()})
    expect(
        reasons == ["unproven"],
        observed=f"reasons {', '.join(reasons)}",
        expected="unproven, for each letter of this site",
        given=given,
    )


def told(submission: Submission, given: str) -> dict[str, Any]:
    """policy.json, once it has the fields that people read."""
    policy = submission.json("policy.json")
    whole = (
        isinstance(policy, dict)
        and type(policy.get("feasible")) is bool
        and isinstance(policy.get("sites"), dict)
        and all(map(is_report, policy["sites"].values()))
    )
    expect(
        whole,
        observed=f"policy.json is {json.dumps(policy)[:400]}",
        expected="feasible (true or false) and sites: for each letters, auto, errors (whole "
        "numbers), bound (a number or null) and feasible",
        given=given,
    )
    return policy


def is_report(facts: Any) -> bool:
    return (
        isinstance(facts, dict)
        and all(type(facts.get(name)) is int for name in ("letters", "auto", "errors"))
        and type(facts.get("feasible")) is bool
        and "bound" in facts
        and (facts["bound"] is None or type(facts["bound"]) in (int, float))
    )


def sites(submission: Submission, wanted: dict[str, bool], any_: bool, given: str) -> None:
    policy = told(submission, given)
    got = {site: facts["feasible"] for site, facts in policy["sites"].items()}
    expect(
        got == wanted and policy["feasible"] is any_,
        observed=f"policy.json: feasible {json.dumps(policy['feasible'])}, of the sites "
        f"{json.dumps(got)}",
        expected=f"feasible {json.dumps(any_)}, of the sites {json.dumps(wanted)}",
        given=given,
    )


# --- neighbours ----------------------------------------------------------------------------


def test_each_site(submission, rng):
    risk = min(some_risk(rng), 0.06)
    good = Model(expit, mean=6.0, spread=2.0)
    bad = Model(lambda ease: expit(ease + 4), mean=1.5, spread=2.5)
    large, *small = rng.choice(SITES, 4, replace=False).tolist()
    export = Export(rng)
    export.add(large, *good.draw(rng, 6000))
    for site in small:
        export.add(site, *bad.draw(rng, 400))
    given = f"{large} with 6,000 letters and a good model; {', '.join(small)} with 400 letters "
    given += f"each and a boastful one; --risk {risk:g}"
    fit(submission, export, risk, given=given)
    confidence, wrong = bad.grid(200)
    day = {site: letters(rng, site, confidence) for site in small}
    auto = booked(route(submission, [row for rows in day.values() for row in rows], given))
    rates = {}
    for site, rows in day.items():
        kept = [row["letter"] in auto for row in rows]
        rates[site] = float(wrong[kept].mean()) if any(kept) else 0.0
    limit = 2 * risk
    expect(
        max(rates.values()) <= limit,
        observed="true error rates of what is booked: "
        + ", ".join(f"{site} {percent(rate)}" for site, rate in rates.items()),
        expected=f"about {percent(risk)} at most at each (this test lets {percent(limit)} pass)",
        given=given,
    )


def test_few_letters(submission, rng):
    risk = some_risk(rng, 0.05)
    large, small = rng.choice(SITES, 2, replace=False).tolist()
    number = math.ceil(1 / risk) - 1
    model = modest(rng)
    export = Export(rng)
    export.add(large, *model.draw(rng, 2500))
    export.add(small, rng.uniform(0.9, 0.99, number).round(4), [False] * number)
    given = f"{large} with 2,500 letters; {small} with {number}, all of them proposed rightly"
    given += f" with a confidence above 0.9; --risk {risk:g}"
    fit(submission, export, risk, given=given, codes=(0,))
    day = letters(rng, small, rng.uniform(0.9, 1, 30).round(4))
    all_asked(route(submission, day, given), day, given)


def test_ties(submission, rng):
    """Confidence in steps, as twenty trees give it; the file is sorted, right answers first."""
    risk = float(rng.choice([0.05, 0.06]))
    export = Export(rng)
    steps = {0.95: (1500, 0.005), 0.9: (1000, 0.2), 0.85: (400, 0.3), 0.8: (400, 0.4)}
    for confidence, (number, rate) in steps.items():
        errors = round(number * rate)
        export.add("quay", [confidence] * number, np.arange(number) >= number - errors)
    given = f"confidence in steps of 0.05; 0.5 % wrong at 0.95, 20 % at 0.9; --risk {risk:g}"
    day = {confidence: letters(rng, "quay", [confidence] * 20) for confidence in steps}
    flat = [row for rows in day.values() for row in rows]
    for shuffled in (False, True):
        order = "in random order" if shuffled else "of each step: those proposed rightly first"
        fit(submission, export.text(shuffled), risk, given=f"{given}; rows {order}")
        found = route(submission, flat, given)
        shares = {
            confidence: sum(found[row["letter"]].action == "auto" for row in rows) / len(rows)
            for confidence, rows in day.items()
        }
        expect(
            list(shares.values()) == [1, 0, 0, 0],
            observed="booked: "
            + ", ".join(f"{percent(share)} at {step}" for step, share in shares.items()),
            expected="all at 0.95, nothing below: 9 % of the letters from 0.9 on are wrong",
            given=f"{given}; rows {order}",
        )


def test_easy_letters_change_nothing(submission, rng):
    risk, model = some_risk(rng, 0.05), modest(rng)
    here, there = rng.choice(SITES, 2, replace=False).tolist()
    export = Export(rng)
    export.add(here, *model.draw(rng, 2000))
    export.add(there, *boastful(rng).draw(rng, 900))
    hard = letters(rng, here, model.draw(rng, 150)[0])
    easy = letters(rng, here, [0.9999] * 400)

    fit(submission, export, risk, 60)
    alone = booked(route(submission, hard))
    given = (
        f"{len(hard)} letters of {here}, then the same with {len(easy)} easy ones; --capacity 60"
    )
    mixed = booked(route(submission, hard + easy, given)) & {row["letter"] for row in hard}
    expect(
        mixed == alone,
        observed=f"{len(mixed - alone)} letters more and {len(alone - mixed)} fewer are booked, of "
        "those that came both times",
        expected="the same: the policy and the letter decide, not the day's other letters",
        given=given,
    )
    export.add(there, [0.9999] * 3000, [False] * 3000)
    given = f"3,000 more calibration letters of {there}, all easy and proposed rightly"
    fit(submission, export, risk, 60, given)
    after = booked(route(submission, hard, given))
    expect(
        after <= alone,
        observed=f"{len(after - alone)} letters of {here} are booked that were not before",
        expected="none: easy letters of one site prove nothing about hard ones of another",
        given=given,
    )


def same_routing(
    submission: Submission,
    plain: str,
    other: str,
    day: list[dict[str, Any]],
    risk: float,
    given: str,
) -> None:
    """Both calibration files give the same bookings, and the same numbers for each site."""
    fit(submission, plain, risk, 40)
    first, facts = route(submission, day), told(submission, given)["sites"]
    fit(submission, other, risk, 40, given)
    second, others = route(submission, day, given), told(submission, given)["sites"]
    names = ("letters", "auto", "errors")
    numbers = [
        {site: ", ".join(f"{name} {each[name]}" for name in names) for site, each in some.items()}
        for some in (facts, others)
    ]
    without, with_it = (
        "; ".join(f"{site} {each}" for site, each in some.items()) for some in numbers
    )
    more, fewer = len(booked(second) - booked(first)), len(booked(first) - booked(second))
    expect(
        more == fewer == 0 and numbers[0] == numbers[1],
        observed=f"of the day's {len(day)} letters {more} more and {fewer} fewer are booked than "
        f"without that; policy.json: {with_it}",
        expected=f"the same bookings, and in policy.json: {without}",
        given=given,
    )


def a_day(rng: Generator, models: dict[str, Model], number: int = 120) -> list[dict[str, Any]]:
    return [
        row
        for site, model in models.items()
        for row in letters(rng, site, model.draw(rng, number)[0])
    ]


def test_evidence_only(submission, rng):
    risk = some_risk(rng, 0.05)
    models = {"quay": modest(rng), "mill": boastful(rng)}
    export = Export(rng)
    for site, model in models.items():
        export.add(site, *model.draw(rng, 1500))
    day = a_day(rng, models)
    plain = export.text()

    for site, model in models.items():
        confidence, _ = Model(model.says, mean=4.0).draw(rng, 900)
        export.add(site, confidence, rng.random(900) < 0.004, "train", age=300, channel="pigeon")
    given = "rows with fold train, in which the model is nearly always right, added"
    same_routing(submission, plain, export.text(), day, risk, given)
    odd = letters(rng, "quay", [0.999] * 5, channel="pigeon")
    auto = booked(route(submission, odd, given))
    expect(
        not auto,
        observed=f"{len(auto)} of {len(odd)} letters are booked whose channel occurs in train only",
        expected="none: only rows with fold calibration show what is familiar",
        given=given,
    )
    fit(submission, plain, risk, 40)
    first = route(submission, day)
    for luck in ("right", "wrong"):
        replay = [{**row, "fold": "calibration", "truth": row["proposal"]} for row in day]
        if luck == "wrong":
            for row in replay:
                row["truth"] = CLINICS[CLINICS.index(row["proposal"]) - 1]
        given = f"a day's file with a column truth, in which all proposals are {luck}"
        second = route(submission, replay, given, header=LETTERS + ",fold,truth")
        changed = booked(first) ^ booked(second)
        expect(
            not changed,
            observed=f"with that column {len(changed)} of {len(day)} letters change between booked "
            "and not booked",
            expected="no difference: the day's file proves nothing",
            given=given,
        )


def test_undecided_rows(submission, rng):
    risk = some_risk(rng)
    models = {"quay": modest(rng), "mill": boastful(rng)}
    export = Export(rng)
    for site, model in models.items():
        export.add(site, *model.draw(rng, 900))
    plain = export.text()
    for site, model in models.items():
        export.add(site, Model(model.says, mean=4.0).draw(rng, 900)[0], [False] * 900, truth="")
    given = "as many rows again without a truth, since nobody has looked at them, added"
    same_routing(submission, plain, export.text(), a_day(rng, models), risk, given)


# --- faults --------------------------------------------------------------------------------


def test_unfamiliar(submission, rng):
    risk = some_risk(rng, 0.05)
    model = modest(rng)
    export = Export(rng)
    for site in ("quay", "mill"):
        export.add(site, *model.draw(rng, 2500))
    fit(submission, export, risk)
    sure = 0.9999
    odd = {
        "site": ["annex"],
        "channel": ["pigeon", ""],
        "age": [int(rng.integers(130, 400)), int(rng.integers(-40, 0)), "", "nan", "young"],
        "pages": [int(rng.integers(60, 900)), "inf", ""],
        "proposal": ["alchemy", ""],
        "confidence": ["", "nan", "high", 1.7, 97, -0.2],
    }
    cases = [(name, cell) for name, cells in odd.items() for cell in cells]
    strange = [letters(rng, "quay", [sure])[0] | {name: cell} for name, cell in cases]
    usual = letters(rng, "quay", [sure] * 20) + letters(rng, "mill", [sure] * 20)
    day = strange + usual
    day = [day[k] for k in rng.permutation(len(day))]
    found = route(submission, day, f"{len(usual)} sure letters and {len(strange)} odd ones")
    for (name, cell), row in zip(cases, strange, strict=True):
        each = found[row["letter"]]
        given = f"a letter with {name} '{cell}' and otherwise sure to be booked"
        expect(
            each.action != "auto" and each.reason == "unfamiliar",
            observed=f"{each.action}, for the reason {each.reason}",
            expected="ask, for the reason unfamiliar",
            given=given,
        )
        expect(
            name in each.detail,
            observed=f"the detail is '{each.detail}'",
            expected=f"that it names {name}",
            given=given,
        )
    others = [found[row["letter"]].action for row in usual]
    expect(
        others.count("auto") == len(usual),
        observed=f"{others.count('auto')} of {len(usual)} are booked",
        expected="all",
        given=f"letters with confidence {sure} and nothing odd, in one file with odd ones",
    )


def test_refuses_files(submission, rng):
    export = Export(rng)
    model = modest(rng)
    rows = export.add("quay", *model.draw(rng, 700))
    fit(submission, export, 0.08)
    before = submission.file("policy.json")
    name = str(rng.choice(["fold", "truth", "site", "channel", "pages"]))
    short = as_csv(CALIBRATION.replace(f"{name},", "").replace(f",{name}", ""), rows)
    many = int(rng.integers(100, 600))
    wild = {
        cell: [*rows[:many], {**rows[many], "confidence": cell}, *rows[many + 1 :]]
        for cell in ("nan", str(rng.choice(["high", "1.4", "93"])))
    }
    trained = [{**row, "fold": "train"} for row in rows]
    cases = [(f"without the column {name}", short, name)]
    for cell, changed in wild.items():
        text = as_csv(CALIBRATION, changed)
        cases.append((f"with one confidence of '{cell}'", text, "confidence"))
    cases.append(("with no row of fold calibration", as_csv(CALIBRATION, trained), ""))
    for what, text, column in cases:
        submission.write({"cal.csv": text})
        argv = ["--cal", "cal.csv", "--risk", "0.08", "--capacity", "50", "--out", "policy.json"]
        done = submission.run(["python", "-m", "desk", "fit", *argv])
        refused(submission, done, f"a calibration file {what}", column)
        expect(
            submission.file("policy.json") == before,
            observed="policy.json has changed",
            expected="last week's policy, byte for byte",
            given=f"a calibration file {what}",
        )
    submission.write({"cal.csv": export.text()})
    for risk in ("0", "1", "1.5"):
        argv = ["--cal", "cal.csv", "--risk", risk, "--capacity", "50", "--out", "policy.json"]
        done = submission.run(["python", "-m", "desk", "fit", *argv])
        refused(submission, done, f"--risk {risk}", "risk")
    day = letters(rng, "quay", model.draw(rng, 30)[0])
    name = str(rng.choice(["site", "confidence", "age", "harm"]))
    half = before[: len(before) // 2]
    header = LETTERS.replace(f",{name}", "")
    submission.write({"routed.csv": "letter\nyesterday\n", "torn.json": half})
    for policy, columns, given, column in (
        ("policy.json", header, f"a day's file without the column {name}", name),
        ("torn.json", LETTERS, "a policy file of which half is there", ""),
        ("gone.json", LETTERS, "a policy file that is not there", ""),
    ):
        submission.write({"letters.csv": as_csv(columns, day)})
        argv = ["--policy", policy, "--in", "letters.csv", "--out", "routed.csv"]
        done = submission.run(["python", "-m", "desk", "route", *argv])
        refused(submission, done, given, column)
        expect(
            submission.text("routed.csv") == "letter\nyesterday\n",
            observed="routed.csv has changed",
            expected="yesterday's file, byte for byte",
            given=given,
        )


def refused(submission: Submission, done: Any, given: str, column: str) -> None:
    said = done.last_lines or "(nothing)"
    expect(
        done.exit_code == 2,
        observed=f"exit code {done.exit_code}; standard error: {said}",
        expected="exit code 2",
        given=given,
    )
    expect(
        column in done.stderr,
        observed=f"standard error: {said}",
        expected=f"that it names {column}",
        given=given,
    )


def test_repeatable(submission, rng):
    risk = some_risk(rng)
    models = {"quay": modest(rng), "mill": boastful(rng), "abbey": hopeless(rng)}
    export = Export(rng)
    for site, model in models.items():
        export.add(site, *model.draw(rng, 900))
    day = a_day(rng, models)
    plain = export.text()
    fit(submission, plain, risk, 40)
    route(submission, day)
    before = submission.file("policy.json"), submission.file("routed.csv")
    argv = ["--cal", "cal.csv", "--risk", f"{risk:g}", "--capacity", "40", "--out", "policy.json"]
    submission.run(["python", "-m", "desk", "fit", *argv])
    argv = ["--policy", "policy.json", "--in", "letters.csv", "--out", "routed.csv"]
    submission.run(["python", "-m", "desk", "route", *argv])
    after = submission.file("policy.json"), submission.file("routed.csv")
    for k, name in enumerate(("policy.json", "routed.csv")):
        expect(
            before[k] == after[k],
            observed=f"{name} has other bytes than before",
            expected="the same bytes",
            given="both commands once more, with the same files",
        )
    given = "the same calibration rows in another order, two thirds of them three times"
    many = int(len(export.rows) * 2 / 3)
    export.rows += export.rows[:many] * 2
    same_routing(submission, plain, export.text(), day, risk, given)


# --- usefulness ----------------------------------------------------------------------------


def test_answers_what_it_can(submission, rng):
    risk = some_risk(rng, 0.05)
    models = {"quay": modest(rng), "mill": boastful(rng), "abbey": flawless(rng)}
    kinds = dict(zip(models, ("modest", "boastful", "flawless"), strict=True))
    export = Export(rng)
    for site, model in models.items():
        export.add(site, *model.draw(rng, 2500))
    given = f"2,500 calibration letters at each of three sites, --risk {risk:g}"
    fit(submission, export, risk, 200, given, codes=(0,))
    day = {site: letters(rng, site, model.grid(300)[0]) for site, model in models.items()}
    auto = booked(route(submission, [row for rows in day.values() for row in rows], given))
    for site, rows in day.items():
        share = sum(row["letter"] in auto for row in rows) / len(rows)
        best = models[site].best_share(risk)
        expect(
            share >= best / 2,
            observed=f"{percent(share)} of the letters are booked",
            expected=f"at least {percent(best / 2)}: half of what meets the target",
            given=f"{given}; the site with the {kinds[site]} model",
        )


def test_report_adds_up(submission, rng):
    risk = some_risk(rng)
    models = {"quay": modest(rng), "mill": boastful(rng), "abbey": hopeless(rng)}
    export = Export(rng)
    for site, model in models.items():
        export.add(site, *model.draw(rng, 900))
    given = f"900 calibration letters at each of three sites, --risk {risk:g}"
    fit(submission, export, risk, given=given)
    policy = told(submission, given)
    day = [{**row, "harm": 10, "waiting_days": 0} for row in export.rows]
    auto = booked(route(submission, day, "the calibration rows, as a day's letters"))
    for site in models:
        own = [row for row in export.rows if row["site"] == site]
        kept = [row for row in own if row["letter"] in auto]
        errors = sum(row["truth"] != row["proposal"] for row in kept)
        facts = policy["sites"].get(site, {})
        numbers = (facts.get("letters"), facts.get("auto"), facts.get("errors"))
        expect(
            numbers == (len(own), len(kept), errors),
            observed=f"letters {numbers[0]}, auto {numbers[1]}, errors {numbers[2]} for {site}",
            expected=f"letters {len(own)}, auto {len(kept)}, errors {errors}, as route does it",
            given=given,
        )
        bound = facts["bound"]
        if facts["feasible"]:
            fine = bound is not None and errors / max(len(kept), 1) <= bound <= risk + 1e-9
            wanted = f"a number from {errors}/{len(kept)} to {risk:g}"
        else:
            fine, wanted = bound is None and not kept, "null, and no letter booked"
        expect(
            fine,
            observed=f"bound {bound} for {site}, with {len(kept)} letters booked",
            expected=wanted,
            given=given,
        )


def queue_of(
    submission: Submission, rng: Generator, day: list[dict[str, Any]], capacity: int, given: str
) -> dict[str, Routed]:
    """The day's letters at a site with a modest model; none of them is sure enough."""
    export = Export(rng)
    export.add("quay", *modest(rng).draw(rng, 2500))
    fit(submission, export, 0.02, capacity, given)
    found = route(submission, [day[k] for k in rng.permutation(len(day))], given)
    sure = booked(found)
    expect(
        not sure,
        observed=f"{len(sure)} letters with a confidence of at most 0.6 are booked",
        expected="none at --risk 0.02",
        given=given,
    )
    return found


def test_costly_first(submission, rng):
    # Pairs of (harm, confidence): the first of each has the higher expected cost, by far.
    pairs = [
        ((100, 0.5), (4, 0.5)),
        ((60, 0.3), (20, 0.6)),
        ((30, 0.25), (30, 0.59)),
        ((50, 0.3), (55, 0.6)),
        ((90, 0.55), (2, 0.3)),
        ((8, 0.45), (1, 0.4)),
    ]
    for days in (0, int(rng.integers(1, 6))):
        day = []
        for worse, milder in pairs:
            for harm, confidence in (worse, milder):
                day += letters(rng, "quay", [confidence], harm=harm, days=days)
        others = letters(rng, "quay", rng.uniform(0.3, 0.59, 60).round(4), days=days)
        given = f"{len(day + others)} letters, all of which have waited {days} days"
        found = queue_of(submission, rng, day + others, 50, given)
        for k, (worse, milder) in enumerate(pairs):
            first, second = found[day[2 * k]["letter"]], found[day[2 * k + 1]["letter"]]
            expect(
                first.place < second.place,
                observed=f"harm {worse[0]}, confidence {worse[1]} has place {first.place}; "
                f"harm {milder[0]}, confidence {milder[1]} has place {second.place}",
                expected="the other way round: the first has by far the higher expected cost",
                given=given,
            )


def test_nobody_starves(submission, rng):
    old = letters(rng, "quay", rng.uniform(0.5, 0.59, 8).round(4), harm=1, days=0)
    for row in old:
        row["waiting_days"] = int(rng.integers(10, 30))
    trifles = letters(rng, "quay", [0.55] * 8, harm=1, days=2)
    grave = letters(rng, "quay", [0.55] * 8, harm=100, days=0)
    new = letters(rng, "quay", rng.uniform(0.3, 0.5, 200).round(4), harm=100, days=0)
    given = "room for 60 letters; 208 new ones of harm 100, 8 of harm 1 that have waited 10 days "
    given += "or more, 8 of harm 1 that have waited 2 days"
    found = queue_of(submission, rng, old + trifles + grave + new, 60, given)
    late = [row for row in old if found[row["letter"]].action != "ask"]
    expect(
        not late,
        observed=f"{len(late)} of the 8 old letters wait on, one of them for "
        f"{max((row['waiting_days'] for row in late), default=0)} days already",
        expected="that letters which have waited 10 days are read today",
        given=given,
    )
    best = min(found[row["letter"]].place for row in trifles)
    worst = max(found[row["letter"]].place for row in grave)
    expect(
        worst < best,
        observed=f"a new letter of harm 100 has place {worst}, one of harm 1 that has waited "
        f"2 days has place {best}; both have confidence 0.55",
        expected="the new one first: its expected cost is a hundred times higher",
        given=given,
    )
