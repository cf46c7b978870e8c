"""Evaluates made-up panels, drawn anew for every behaviour."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from grader.judge import Raised, expect

COMMAND = ["python", "-m", "evaluate", "--in", "panel.csv", "--spec", "spec.json", "--out"]


# ---------------------------------------------------------------------------- made-up panels


def ids(rng, n):
    return [str(number) for number in 10_000 + rng.choice(80_000, n, replace=False)]


def labels(rng, n, cases):
    return rng.permutation(np.arange(n) < cases).astype(int)


def names(rng, count, odd=0):
    """Names of biomarkers that say nothing; even numbers, unless others need to be told apart."""
    return [f"bm_{number}" for number in 1000 + odd + 2 * rng.choice(4500, count, replace=False)]


def biomarkers(rng, n, count, gaps=0.04):
    values = np.round(rng.normal(10, 2, (n, count)), 3)
    values[rng.random((n, count)) < gaps] = np.nan
    return pd.DataFrame(values, columns=names(rng, count))


def panel(rng, n, count, cases, **columns):
    """Samples whose biomarkers know nothing of the label."""
    first = pd.DataFrame({"sample": ids(rng, n), "relapse": labels(rng, n, cases), **columns})
    return pd.concat([first, biomarkers(rng, n, count)], axis=1)


def patients(rng, count, visits, markers, cases, noise=0.4):
    """Patients who come again and look much as they did: the label is theirs, and is chance."""
    known = np.repeat(np.arange(count), visits)
    base = rng.normal(0, 1, (count, markers))[known]
    values = np.round(10 + 2 * (base + rng.normal(0, noise, base.shape)), 3)
    values[rng.random(values.shape) < 0.04] = np.nan
    first = pd.DataFrame(
        {
            "sample": ids(rng, len(known)),
            "patient": np.array(ids(rng, count))[known],
            "relapse": labels(rng, count, cases)[known],
        }
    )
    frame = pd.concat([first, pd.DataFrame(values, columns=names(rng, markers))], axis=1)
    return shuffled(rng, frame)


def shuffled(rng, frame):
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def days(numbers):
    return (pd.Timestamp("2024-01-08") + pd.to_timedelta(np.asarray(numbers), unit="D")).strftime(
        "%Y-%m-%d"
    )


def auc(actual, score):
    """Chance that a case scores above another row, ties half."""
    ranks = pd.Series(score).rank().to_numpy()
    cases = np.asarray(actual) == 1
    wins = ranks[cases].sum() - cases.sum() * (cases.sum() + 1) / 2
    return wins / (cases.sum() * (~cases).sum())


def alone(column, actual):
    """How well a column of numbers separates the classes by itself, in the better direction."""
    known = column.notna().to_numpy()
    if len(set(actual[known])) < 2:
        return 1.0
    found = auc(actual[known], column[known])
    return max(found, 1 - found)


# ---------------------------------------------------------------------------- the command


@dataclass
class Report:
    mean: float
    features: list
    excluded: dict
    folds: list

    @property
    def predicted(self):
        """The prediction for each tested row, by fold and id."""
        return [dict(zip(f["test"], f["predicted"], strict=True)) for f in self.folds]

    @property
    def tests(self):
        return [frozenset(fold["test"]) for fold in self.folds]


def spec(rng, **changes):
    return {
        "target": "relapse",
        "id": "sample",
        "group": None,
        "time": None,
        "folds": 5,
        "select": 20,
        "seed": int(rng.integers(1, 10_000)),
    } | changes


def complaint(finished):
    if finished.exit_code == 0:
        return ": the file was not refused"
    lines = finished.stderr.strip().splitlines()
    return f", and on standard error: {lines[-1]}" if lines else ", nothing on standard error"


def evaluate(submission, frame, wanted, given, out="report.json"):
    """The report, the quick way: main(argv), without a process for each panel."""
    submission.write({"panel.csv": frame, "spec.json": json.dumps(wanted)})
    try:
        code = submission.call("evaluate.__main__:main", [*COMMAND[3:], out])
        lines = [] if code == 0 else submission.log().strip().splitlines()
        observed = f"main(argv) gave exit code {code!r}" + (
            f", and printed: {lines[-1]}" if lines else ""
        )
    except Raised as error:
        code = f"{error.type}: {error.message}"
        observed = error.unmet().finding.observed
    expect(
        type(code) is int and code == 0,
        observed=observed,
        expected="exit code 0",
        given=given,
    )
    return report_of(submission, out, frame, wanted, given)


def command(submission, frame, wanted, given, out, **how):
    """The whole way: python -m evaluate in a process of its own."""
    submission.write({"panel.csv": frame, "spec.json": json.dumps(wanted)})
    finished = submission.run([*COMMAND, out], **how)
    expect(
        finished.exit_code == 0,
        observed=f"exit code {finished.exit_code}{complaint(finished)}",
        expected="exit code 0",
        given=given,
    )
    return report_of(submission, out, frame, wanted, given)


def report_of(submission, out, frame, wanted, given):
    """The report, its form checked against the interface."""

    def holds(condition, observed, expected):
        expect(condition, observed=f"{out}: {observed}", expected=expected, given=given)

    told = submission.json(out)
    holds(isinstance(told, dict), f"it holds {told!r:.80}", "an object")
    lacking = [f for f in ("seed", "mean", "features", "excluded", "folds") if f not in told]
    holds(not lacking, f"there is no {', '.join(lacking)}", "all the fields of the interface")
    seed = told["seed"]
    holds(type(seed) is int and seed == wanted["seed"], f"seed is {seed!r}", f"{wanted['seed']}")
    holds(is_share(told["mean"]), f"mean is {told['mean']!r}", "a number from 0 to 1")

    features, excluded = told["features"], told["excluded"]
    holds(
        isinstance(features, list) and all(type(name) is str for name in features),
        f"features is {features!r:.80}",
        "a list of column names",
    )
    holds(
        isinstance(excluded, list)
        and all(
            isinstance(entry, dict)
            and type(entry.get("column")) is str
            and type(entry.get("reason")) is str
            for entry in excluded
        ),
        f"excluded is {excluded!r:.80}",
        "a list of objects with column and reason, both text",
    )
    listed = [*features, *(entry["column"] for entry in excluded)]
    columns = [column for column in frame.columns if column != wanted["target"]]
    holds(
        sorted(listed) == sorted(columns),
        "features and excluded differ from the file's columns at "
        f"{sorted(set(listed) ^ set(columns))[:4] or 'a column that is named twice'}",
        "each column but the target in one of them, once",
    )

    folds = told["folds"]
    holds(
        isinstance(folds, list)
        and len(folds) == wanted["folds"]
        and all(isinstance(fold, dict) for fold in folds),
        f"folds has {len(folds) if isinstance(folds, list) else 'no'} entries",
        f"a list of {wanted['folds']} objects",
    )
    known = set(frame[wanted["id"]])
    for number, fold in enumerate(folds, 1):
        where = f"fold {number}"
        lacking = [f for f in ("auc", "train", "test", "predicted") if f not in fold]
        holds(not lacking, f"{where} has no {', '.join(lacking)}", "auc, train, test, predicted")
        holds(is_share(fold["auc"]), f"{where}: auc is {fold['auc']!r}", "a number from 0 to 1")
        for side in ("train", "test"):
            rows = fold[side]
            holds(
                isinstance(rows, list) and rows and all(type(row) is str for row in rows),
                f"{where}: {side} is {rows!r:.60}",
                "a list of ids, as text",
            )
            strange = [row for row in rows if row not in known]
            holds(
                not strange and len(set(rows)) == len(rows),
                f"{where}: {side} names {strange[0] if strange else 'an id more than once'!r}",
                f"ids as the file has them, such as {frame[wanted['id']].iloc[0]!r}, each once",
            )
        both = sorted(set(fold["train"]) & set(fold["test"]))
        holds(not both, f"{where}: {both[:2]} in train and in test", "no row on both sides")
        scores = fold["predicted"]
        holds(
            isinstance(scores, list)
            and len(scores) == len(fold["test"])
            and all(map(is_share, scores)),
            f"{where}: predicted is {scores!r:.60}",
            f"{len(fold['test'])} numbers from 0 to 1, in the order of test",
        )
    reasons = {entry["column"]: entry["reason"] for entry in excluded}
    return Report(told["mean"], features, reasons, folds)


def is_share(value):
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1


def by_chance(means, low, high, given):
    """The mean of some means, on data where nothing can be known."""
    found = float(np.mean(means))
    each = f", of {len(means)} such files: {', '.join(f'{mean:.2f}' for mean in means)}"
    expect(
        low <= found <= high,
        observed=f"mean AUC {found:.2f}{each if len(means) > 1 else ''}",
        expected=f"{low:.2f} to {high:.2f}: nothing in these columns knows the label",
        given=given,
    )


def never_split(report, frame, column, given):
    """No value of `column` on both sides of a fold."""
    of = dict(zip(frame["sample"], frame[column], strict=True))
    for number, fold in enumerate(report.folds, 1):
        both = {of[row] for row in fold["train"]} & {of[row] for row in fold["test"]}
        expect(
            not both,
            observed=f"fold {number} trains and tests on rows of the same {column}, "
            f"for {len(both)} of them",
            expected=f"every {column} on one side of each fold",
            given=given,
        )


def tested_once(report, frame, given):
    """Every row in one test set, and in train everywhere else."""
    everyone = set(frame["sample"])
    tested = [row for fold in report.folds for row in fold["test"]]
    expect(
        sorted(tested) == sorted(everyone),
        observed=f"{len(tested)} rows tested, {len(set(tested))} different ones",
        expected=f"each of the {len(everyone)} rows, once",
        given=given,
    )
    for number, fold in enumerate(report.folds, 1):
        lacking = len(everyone) - len(fold["test"]) - len(fold["train"])
        expect(
            lacking == 0,
            observed=f"{lacking} rows are neither in train nor in test of fold {number}",
            expected="a fold trains on all rows that it does not test",
            given=given,
        )
    even = len(everyone) / len(report.folds)
    sizes = [len(test) for test in report.tests]
    expect(
        even / 2 <= min(sizes) and max(sizes) <= 2 * even,
        observed=f"folds that test {sizes} rows",
        expected=f"about {even:.0f} each, at least half and at most twice as many",
        given=given,
    )


# ---------------------------------------------------------------------------- the incident


def test_noise_is_chance(submission, rng):
    given = "100 samples, 400 biomarkers of pure noise"
    means = []
    for _ in range(3):
        frame = panel(rng, 100, 400, 50, ward=rng.choice([f"W{i}" for i in range(12)], 100))
        means.append(evaluate(submission, frame, spec(rng), given).mean)
    by_chance(means, 0.28, 0.72, given)


def test_patients_stay_together(submission, rng):
    given = "60 patients with 4 visits each, whose labels are chance"
    means = []
    for _ in range(2):
        frame = patients(rng, 60, 4, 30, 30)
        report = evaluate(submission, frame, spec(rng, group="patient"), given)
        never_split(report, frame, "patient", given)
        means.append(report.mean)
    by_chance(means, 0.22, 0.78, given)


def test_id_is_no_feature(submission, rng):
    frame = panel(rng, 200, 30, 100).sort_values("relapse", ascending=False, ignore_index=True)
    frame["sample"] = sorted(ids(rng, 200))
    frame["patient"] = sorted(ids(rng, 200))
    given = "sample and patient numbers given out in the order of a file that is sorted by label"
    report = evaluate(submission, frame, spec(rng, group="patient"), given)
    excluded_as(report, "sample", "id", given)
    excluded_as(report, "patient", "group", given)
    by_chance([report.mean], 0.24, 0.76, given)
    frame["visit"] = days(rng.integers(0, 400, 200))
    given = "the same samples with a time column in the spec"
    report = evaluate(submission, frame, spec(rng, time="visit", folds=3), given)
    excluded_as(report, "visit", "time", given)


def stages(rng, case):
    """Ten texts for the cases and ten for the others, each of them in use."""
    tenth = np.where(case, np.cumsum(case), np.cumsum(~case)) % 10
    grade = rng.choice([["0", "IV"], ["IV", "0"]])[case.astype(int)]
    return [f"{one}-{number}" for one, number in zip(grade, tenth, strict=True)]


def scarce(rng, case, cases, others, wins):
    """A number for few rows, in which a case is above another row in `wins` pairs."""
    ranks = np.zeros(cases, dtype=int)
    for _ in range(wins):
        ranks[rng.choice(np.flatnonzero(ranks < others))] += 1
    column = np.full(len(case), np.nan)
    column[rng.choice(np.flatnonzero(case), cases, replace=False)] = ranks + 0.5
    column[rng.choice(np.flatnonzero(~case), others, replace=False)] = np.arange(1, others + 1)
    return column


def excluded_as(report, column, reason, given, what=None):
    found = report.excluded.get(column)
    state = f"excluded as {found!r}" if found else "used as a feature"
    expect(
        found == reason,
        observed=f"{what or column}: {state}",
        expected=f"the column among the excluded, with reason {reason!r}",
        given=given,
    )


def test_outcome_copies(submission, rng):
    n = 240
    frame = panel(rng, n, 40, 100, ward=rng.choice(["W1", "W2", "W3", "W4"], n))
    case = frame["relapse"].to_numpy() == 1
    sign = rng.choice([-1, 1])
    dose = np.round(rng.uniform(5, 80, n), 1)
    visit = days(rng.integers(0, 300, n))
    copies = {
        "a number that follows the label": np.round(sign * 9 * case + rng.normal(0, 1, n), 2),
        "a text, one of 20, of which ten stand with cases only": stages(rng, case),
        "a number that five cases and five others have, low for cases": scarce(rng, case, 5, 5, 0),
        "a number that five cases and five others have, high for cases": scarce(
            rng, case, 5, 5, 25
        ),
        "a number filled in for cases only": np.where(case, dose, np.nan),
        "a date left empty for cases only": np.where(case, "", visit),
    }
    hidden = dict(zip(names(rng, len(copies), odd=1), copies.items(), strict=True))
    for column, (_, values) in hidden.items():
        frame.insert(int(rng.integers(2, frame.shape[1])), column, values)
    given = "biomarkers of pure noise and, among them, columns from which the label can be read"
    report = evaluate(submission, frame, spec(rng), given)
    for column, (what, _) in hidden.items():
        excluded_as(report, column, "leak", given, what)
    by_chance([report.mean], 0.24, 0.76, given)


# ---------------------------------------------------------------------------- its neighbours


def unusual(rng, frame, rows, columns, text):
    """The same frame with other values in some rows: numbers far off, texts of other rows."""
    changed = frame.copy()
    for column in columns:
        changed.loc[rows, column] = np.round(rng.normal(0, 300, int(rows.sum())), 2)
    levels = sorted(set(frame[text]))
    changed.loc[rows, text] = [levels[levels.index(v) // 2] for v in frame.loc[rows, text]]
    return changed


def moved(before, after, rows):
    """The largest change of a prediction for `rows`, over all folds that test them."""
    gaps = [
        abs(was[row] - now[row])
        for was, now in zip(before, after, strict=True)
        for row in was.keys() & rows
    ]
    return max(gaps, default=math.inf)


def informative(rng, frame, columns, strength, wards_strength=1.0):
    """The frame with labels that some of its biomarkers and its wards know something about."""
    z = (frame[columns].fillna(10) - 10) / 2
    logit = (z * rng.choice([-1, 1], len(columns)) * strength).sum(axis=1).to_numpy()
    wards = sorted(set(frame["ward"]))
    effect = dict(zip(wards, rng.permutation(np.linspace(-1, 1, len(wards))), strict=True))
    logit = logit + wards_strength * frame["ward"].map(effect).to_numpy()
    drawn = (rng.random(len(frame)) < 1 / (1 + np.exp(-logit))).astype(int)
    return frame.assign(relapse=drawn), logit


def test_learns_from_train_rows(submission, rng):
    n, visits = 200, 2
    frame = panel(rng, n, 30, 100, ward=rng.choice([f"W{i}" for i in range(8)], n))
    frame.insert(1, "patient", np.repeat(ids(rng, n // visits), visits))
    markers = [c for c in frame.columns if c.startswith("bm_")]
    frame, _ = informative(rng, frame, markers[:5], 0.5)
    wanted = spec(rng, group="patient", select=10)
    given = "two files that differ only in other patients of the same test fold"
    before = evaluate(submission, frame, wanted, given)
    tested = before.tests[int(rng.integers(5))]
    theirs = sorted(set(frame.loc[frame["sample"].isin(tested), "patient"]))
    rows = frame["patient"].isin(theirs[::2]).to_numpy()
    changed = unusual(rng, frame, rows, markers, "ward")
    after = evaluate(submission, changed, wanted, given, out="after.json")
    expect(
        before.tests == after.tests,
        observed="the folds were dealt anew",
        expected="the same folds: they follow from ids, labels, patients and seed",
        given="two files that differ in biomarkers and wards only",
    )
    gap = moved(before.predicted, after.predicted, tested - set(frame.loc[rows, "sample"]))
    expect(
        gap <= 1e-6,
        observed=f"predictions for the patients that are unchanged moved by up to {gap:.2g}",
        expected="the same predictions: gaps, scale, categories and selection come from train rows",
        given=given,
    )


def test_future_stays_unknown(submission, rng):
    n = 200
    frame = panel(rng, n, 30, 100, ward=rng.choice([f"W{i}" for i in range(8)], n))
    frame["visit"] = days(7 * rng.permutation(np.repeat(np.arange(40), 5)))
    markers = [c for c in frame.columns if c.startswith("bm_")]
    frame, _ = informative(rng, frame, markers[:5], 0.5)
    wanted = spec(rng, time="visit", folds=4, select=10)
    given = "two files that differ in the labels of the last test rows, and in half of their values"
    before = evaluate(submission, frame, wanted, given)
    when = dict(zip(frame["sample"], frame["visit"], strict=True))
    last = max(before.tests, key=lambda test: max(when[row] for row in test))
    late = frame["sample"].isin(last).to_numpy()
    half = late & (rng.random(n) < 0.5)
    changed = unusual(rng, frame, half, markers, "ward")
    changed["relapse"] = np.where(late, 1 - frame["relapse"], frame["relapse"])
    after = evaluate(submission, changed, wanted, given, out="after.json")
    expect(
        before.tests == after.tests,
        observed="the folds were cut anew",
        expected="the same folds: where there is a time, only the time decides",
        given=given,
    )
    gap = moved(before.predicted, after.predicted, set(frame.loc[~half, "sample"]))
    expect(
        gap <= 1e-6,
        observed=f"predictions for rows whose columns are unchanged moved by up to {gap:.2g}",
        expected="the same predictions: no model has seen a label or a value of the last test rows",
        given=given,
    )


def test_twins_stay_together(submission, rng):
    single = panel(rng, 80, 12, 40, ward=rng.choice(["W1", "W2", "W3"], 80))
    single["tube"] = [f"T{number}" for number in range(80)]
    again = rng.choice(80, 25, replace=False)
    extra = single.iloc[np.concatenate([again, again[:10]])]
    both = shuffled(rng, pd.concat([single, extra], ignore_index=True))
    both["sample"] = ids(rng, len(both))
    frame = both.drop(columns="tube")
    given = "25 of 80 samples sent in twice or three times, under other ids; no patient column"
    report = evaluate(submission, frame, spec(rng), given)
    tested_once(report, frame, given)
    tube = dict(zip(both["sample"], both["tube"], strict=True))
    for number, fold in enumerate(report.folds, 1):
        split = {tube[row] for row in fold["train"]} & {tube[row] for row in fold["test"]}
        expect(
            not split,
            observed=f"fold {number} trains and tests on rows that differ in nothing but the id, "
            f"{len(split)} times",
            expected="rows that are equal but for the id on one side of each fold",
            given=given,
        )


def test_past_predicts_future(submission, rng):
    weeks = np.repeat(np.arange(60), rng.integers(1, 8, 60))
    n = len(weeks)
    frame = panel(rng, n, 15, n // 2)
    frame["visit"] = rng.permutation(days(7 * weeks))
    given = f"{n} rows of 60 visiting days, in no order"
    report = evaluate(submission, frame, spec(rng, time="visit", folds=4), given)
    in_time(report, frame, given)
    frame = panel(rng, 240, 6, 120)
    frame["visit"] = rng.permutation(days(7 * np.repeat(np.arange(60), 4)))
    given = "60 visiting days with four rows each, in no order; two folds"
    report = evaluate(submission, frame, spec(rng, time="visit", folds=2), given)
    in_time(report, frame, given)


def test_time_and_patients(submission, rng):
    count, visits = 90, 3
    frame = patients(rng, count, visits, 15, 45)
    first = dict(zip(sorted(set(frame["patient"])), rng.integers(0, 60, count), strict=True))
    week = frame["patient"].map(first) + 2 * frame.groupby("patient").cumcount()
    frame["visit"] = days(7 * week)
    given = "patients with three visits, two weeks apart; group and time are both given"
    report = evaluate(submission, frame, spec(rng, group="patient", time="visit", folds=4), given)
    never_split(report, frame, "patient", given)
    in_time(report, frame, given)


def in_time(report, frame, given):
    """Every train row earlier than every test row; enough of both."""
    when = dict(zip(frame["sample"], frame["visit"], strict=True))
    patient = dict(zip(frame["sample"], frame.get("patient", frame["sample"]), strict=True))
    for number, fold in enumerate(report.folds, 1):
        last, first = max(when[r] for r in fold["train"]), min(when[r] for r in fold["test"])
        expect(
            last < first,
            observed=f"fold {number} trains on rows up to {last} and tests rows from {first}",
            expected="every train row earlier than every test row",
            given=given,
        )
        theirs = {patient[row] for row in fold["test"]}
        usable = sum(when[r] < first and patient[r] not in theirs for r in when)
        expect(
            len(fold["train"]) >= 0.8 * usable,
            observed=f"fold {number} trains on {len(fold['train'])} rows",
            expected=f"at least four fifths of the {usable} rows that are earlier and may be used",
            given=given,
        )
    tested = [row for fold in report.folds for row in fold["test"]]
    least = 0.4 if "patient" in frame else 0.6
    expect(
        len(set(tested)) == len(tested) and len(tested) >= least * len(frame),
        observed=f"{len(tested)} tests of {len(set(tested))} of {len(frame)} rows",
        expected=f"no row tested twice, and at least {least:.0%} of them tested",
        given=given,
    )


def test_row_order(submission, rng):
    frame = patients(rng, 50, 3, 20, 25)
    wanted = spec(rng, group="patient")
    given = "the same file, sorted by label and in another order"
    before = evaluate(submission, frame.sort_values(["relapse", "sample"]), wanted, given)
    after = evaluate(submission, shuffled(rng, frame), wanted, given, out="after.json")
    others = set(map(frozenset, after.tests)) - set(map(frozenset, before.tests))
    expect(
        sorted(map(sorted, before.tests)) == sorted(map(sorted, after.tests)),
        observed=f"{len(others)} of {len(after.tests)} folds test other rows than before",
        expected="the same folds",
        given=given,
    )
    gap = abs(before.mean - after.mean)
    expect(
        gap <= 0.02,
        observed=f"mean AUC {before.mean:.4f} and {after.mean:.4f}",
        expected="the same within 0.02",
        given=given,
    )


def test_repeatable(submission, rng):
    frame = patients(rng, 40, 3, 20, 20).assign(ward=rng.choice(["W1", "W2", "W3"], 120))
    wanted = spec(rng, group="patient")
    given = "the same file and the same seed, in two processes"
    first = command(submission, frame, wanted, given, "report.json")
    again = command(submission, frame, wanted, given, "again.json", fresh=True)
    pairs = enumerate(zip(first.tests, again.tests, strict=True), 1)
    other = next((f": fold {number} tests other rows" for number, (a, b) in pairs if a != b), "")
    expect(
        submission.file("report.json") == submission.file("again.json"),
        observed=f"two reports that differ{other}",
        expected="the same bytes",
        given=given,
    )
    other = evaluate(submission, frame, wanted | {"seed": wanted["seed"] + 1}, given, "other.json")
    expect(
        set(first.tests) != set(other.tests),
        observed="the same folds",
        expected="other folds",
        given="the same file with another seed",
    )


def test_ids_are_text(submission, rng):
    frame = panel(rng, 90, 10, 40)
    numbers = [str(number) for number in rng.choice(900, 30, replace=False) + 100]
    frame["sample"] = [*numbers, *(f"0{n}" for n in numbers), *(f"{n}.0" for n in numbers)]
    given = f"samples {numbers[0]}, 0{numbers[0]} and {numbers[0]}.0, and so on: 90 different ones"
    tested_once(evaluate(submission, shuffled(rng, frame), spec(rng), given), frame, given)


# ---------------------------------------------------------------------------- faults


def test_rare_outcome(submission, rng):
    frame = recruited_late(rng, panel(rng, 600, 8, 20), "sample")
    given = "600 samples, 20 of them cases, who came late and have high numbers; 10 folds"
    have_both(evaluate(submission, frame, spec(rng, folds=10), given), frame, given)
    frame = patients(rng, 200, 3, 8, 20)
    once = rng.random(len(frame)) < 0.7
    spared = frame.groupby("patient").cumcount().to_numpy() > 0
    frame.loc[once & spared, "relapse"] = 0
    frame = recruited_late(rng, frame, "patient")
    cases = int(frame["relapse"].sum())
    given = f"200 patients with 3 visits each; {cases} cases, in 20 of the patients; 10 folds"
    report = evaluate(submission, frame, spec(rng, folds=10, group="patient"), given)
    never_split(report, frame, "patient", given)
    tested_once(report, frame, given)
    have_both(report, frame, given)


def recruited_late(rng, frame, column):
    """The same rows with other numbers in `column`: high ones for those with a case."""
    case = frame.groupby(column)["relapse"].max()
    place = np.argsort(np.argsort(case + rng.uniform(0, 1.3, len(case))))
    number = dict(zip(case.index, np.array(sorted(ids(rng, len(case))))[place], strict=True))
    return frame.assign(**{column: frame[column].map(number)})


def have_both(report, frame, given):
    label = dict(zip(frame["sample"], frame["relapse"], strict=True))
    for side in ("test", "train"):
        for number, fold in enumerate(report.folds, 1):
            cases, size = sum(label[row] for row in fold[side]), len(fold[side])
            expect(
                0 < cases < size,
                observed=f"{cases} of the {size} {side} rows of fold {number} are cases",
                expected=f"both classes among the {side} rows of every fold",
                given=given,
            )


def test_odd_columns(submission, rng):
    n = 120
    frame = panel(rng, n, 4, 50)
    markers = [c for c in frame.columns if c.startswith("bm_")]
    frame["never_done"] = np.nan
    frame["kit"] = "K7"
    frame["device"] = np.where(np.arange(n) == int(rng.integers(n)), "loan", "own")
    frame["repeat_titre"] = np.nan
    few = rng.choice(n, 6, replace=False)
    frame.loc[few, "repeat_titre"] = np.round(rng.uniform(1, 9, 6), 1)
    given = "an empty column, one value throughout, a text that occurs once, six numbers in all"
    report = evaluate(submission, frame, spec(rng), given)
    tested_once(report, frame, given)
    lost = [column for column in [*markers, "device"] if column not in report.features]
    expect(
        not lost,
        observed=f"excluded: {', '.join(f'{c} as {report.excluded[c]!r}' for c in lost)}",
        expected="the biomarkers and the device among the features",
        given=given,
    )


def refused(submission, frame, wanted, named, given):
    """The command ends with 2, says why, and leaves every file as it was."""
    submission.write({"panel.csv": frame, "spec.json": json.dumps(wanted)})
    before = {path: submission.file(path) for path in submission.listing(".")}
    finished = submission.run([*COMMAND, "report.json"])
    expect(
        finished.exit_code == 2,
        observed=f"exit code {finished.exit_code}{complaint(finished)}",
        expected="exit code 2",
        given=given,
    )
    expect(
        named in finished.stderr,
        observed=f"exit code 2{complaint(finished)}",
        expected=f"the word {named!r} on standard error",
        given=given,
    )
    after = {path: submission.file(path) for path in submission.listing(".")}
    changed = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    expect(
        not changed,
        observed=f"{', '.join(changed[:3])} changed or appeared",
        expected="no file made or changed",
        given=given,
    )


def clinic(rng):
    frame = patients(rng, 40, 2, 6, 20)
    frame["visit"] = days(7 * rng.integers(0, 40, len(frame)))
    return frame


def test_missing_column(submission, rng):
    frame = clinic(rng)
    submission.write({"report.json": '{"of": "yesterday"}'})
    wanted = spec(rng, group="patient")
    column = str(rng.choice(["relapse", "sample", "patient"]))
    given = f"a file without the column {column}, which the spec names"
    refused(submission, frame.drop(columns=column), wanted, column, given)
    wanted = spec(rng, time="visit")
    given = "a file without the column visit, which the spec names"
    refused(submission, frame.drop(columns="visit"), wanted, "visit", given)


def test_bad_cells(submission, rng):
    frame = clinic(rng)
    submission.write({"report.json": '{"of": "yesterday"}'})
    row = int(rng.integers(len(frame)))
    for wanted, column, cell in (
        (spec(rng), "relapse", str(rng.choice(["2", "yes", "-1"]))),
        (spec(rng), "relapse", ""),
        (spec(rng, group="patient"), "patient", ""),
        (spec(rng, time="visit"), "visit", ""),
        (spec(rng), "sample", frame["sample"].iloc[row - 1]),
    ):
        spoilt = frame.astype({column: object})
        spoilt.iloc[row, spoilt.columns.get_loc(column)] = cell
        given = f"one cell of {column} is {cell!r}"
        given += ", as in another row" if column == "sample" else ""
        refused(submission, spoilt, wanted, column, given)


def test_cannot_be_split(submission, rng):
    submission.write({"report.json": '{"of": "yesterday"}'})
    cases = int(rng.integers(2, 5))
    given = f"5 folds, and {cases} cases in 100 samples"
    refused(submission, panel(rng, 100, 6, cases), spec(rng), "folds", given)
    given = f"5 folds, and 40 patients with 5 visits each, {cases} of them cases"
    frame = patients(rng, 40, 5, 6, cases)
    refused(submission, frame, spec(rng, group="patient"), "folds", given)


# ---------------------------------------------------------------------------- of use


def test_keeps_real_signal(submission, rng):
    n = 500
    frame = panel(rng, n, 60, 250, ward=rng.choice([f"W{i}" for i in range(8)], n))
    markers = [c for c in frame.columns if c.startswith("bm_")]
    close_to_best(
        submission,
        spec(rng),
        *informative(rng, frame, markers[10:16], 0.8),
        "500 samples; six of 60 biomarkers and the ward have to do with the label",
    )
    close_to_best(
        submission,
        spec(rng),
        *informative(rng, frame.drop(columns=markers[6:]), markers[:6], 0.0, 2.0),
        "500 samples; the ward, a text, has to do with the label, and six biomarkers have not",
    )


def close_to_best(submission, wanted, frame, logit, given):
    best = auc(frame["relapse"], logit)
    report = evaluate(submission, frame, wanted, given)
    expect(
        report.mean >= best - 0.1,
        observed=f"mean AUC {report.mean:.3f}",
        expected=f"at least {best - 0.1:.3f}, which is 0.1 below what can be known",
        given=given,
    )


def test_honest_columns_stay(submission, rng):
    n, cases = 400, 36
    frame = panel(rng, n, 10, cases, ward=rng.choice(["W1", "W2", "W3", "W4", "W5"], n))
    actual = frame["relapse"].to_numpy()

    def drawn(draw, low, high):
        """A column whose AUC by itself is known to lie between the two."""
        while not low <= alone(column := pd.Series(draw()), actual) <= high:
            pass
        return column

    def some(share):
        return np.where(rng.random(n) < share, np.round(rng.normal(5, 1, n), 2), np.nan)

    columns = {
        "a strong biomarker": drawn(
            lambda: np.round(1.5 * actual + rng.normal(0, 1, n), 3), 0.80, 0.89
        ),
        "a whole number, different in each row": rng.permutation(n) * 7 + 20_000,
        "a text that is the same in 97 % of the rows": np.where(rng.random(n) < 0.03, "yes", "no"),
        "a number that a tenth of the rows have": drawn(lambda: some(0.1), 0, 0.8),
        "a number that a fifth of the rows have, but half of the cases": drawn(
            lambda: some(0.2 + 0.3 * actual), 0, 0.8
        ),
        "a number that five cases and five others have": scarce(rng, actual == 1, 5, 5, 22),
        "a number that eight cases and four others have": scarce(rng, actual == 1, 8, 4, 32),
    }
    hidden = dict(zip(names(rng, len(columns), odd=1), columns.items(), strict=True))
    for column, (_, values) in hidden.items():
        frame[column] = values
    given = f"{n} samples, {cases} of them cases; no column reaches an AUC of 0.90 by itself"
    report = evaluate(submission, frame, spec(rng), given)
    for column, (what, _) in hidden.items():
        expect(
            column in report.features,
            observed=f"{what} is excluded as {report.excluded.get(column)!r}",
            expected="a feature: it says something, or nothing, but it is not the label",
            given=given,
        )
    lost = [c for c in report.excluded if c != "sample"]
    observed = f"{', '.join(lost[:3])} excluded"
    expect(not lost, observed=observed, expected="only the id", given=given)
    found = report.mean
    expect(
        found >= 0.65,
        observed=f"mean AUC {found:.3f}",
        expected="at least 0.65, with a biomarker that has 0.80 or more by itself",
        given=given,
    )


def test_every_row_tested_once(submission, rng):
    folds = int(rng.integers(3, 7))
    n = int(rng.integers(130, 200))
    frame = panel(rng, n, 10, n // 3)
    given = f"{n} samples, {folds} folds"
    tested_once(evaluate(submission, frame, spec(rng, folds=folds), given), frame, given)
    frame = patients(rng, 60, rng.integers(1, 5, 60), 10, 25)
    given = f"60 patients with one to four visits, {folds} folds"
    report = evaluate(submission, frame, spec(rng, folds=folds, group="patient"), given)
    tested_once(report, frame, given)


def test_scores_from_predictions(submission, rng):
    frame = panel(rng, 160, 20, 70, ward=rng.choice(["W1", "W2", "W3"], 160))
    markers = [c for c in frame.columns if c.startswith("bm_")]
    frame, _ = informative(rng, frame, markers[:3], 1.5)
    given = "160 samples, three biomarkers with a strong signal"
    report = evaluate(submission, frame, spec(rng), given)
    label = dict(zip(frame["sample"], frame["relapse"], strict=True))
    for number, fold in enumerate(report.folds, 1):
        true = auc([label[row] for row in fold["test"]], fold["predicted"])
        expect(
            abs(fold["auc"] - true) <= 5e-4,
            observed=f"fold {number} reports auc {fold['auc']:.4f}",
            expected=f"{true:.4f}, the AUC of its predictions",
            given=given,
        )
    true = float(np.mean([fold["auc"] for fold in report.folds]))
    expect(
        abs(report.mean - true) <= 5e-4,
        observed=f"mean is {report.mean:.4f}",
        expected=f"{true:.4f}, the mean of the folds' auc",
        given=given,
    )
