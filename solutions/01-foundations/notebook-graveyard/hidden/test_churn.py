"""Trains and scores on made-up exports, drawn anew for every behaviour."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from grader.judge import Raised, expect

CATEGORICAL = ["plan", "region", "contract", "payment_method"]
NUMERIC = ["tenure_months", "monthly_fee", "data_gb", "support_calls", "days_since_login"]
FEATURES = CATEGORICAL + NUMERIC
CALL_SHARE = 0.125

NAMES = {
    "plan": ["basic", "plus", "family", "business", "start", "solo", "duo", "max", "lite", "pro"],
    "region": ["north", "south", "east", "west", "coast", "hills", "lakes", "city", "valley"],
    "contract": ["monthly", "one_year", "two_year", "quarterly", "half_year", "open"],
    "payment_method": ["card", "direct_debit", "invoice", "wallet", "transfer", "cash"],
}


# ---------------------------------------------------------------------------- made-up customers


@dataclass
class Market:
    """One way for customers to be; exports drawn from the same market belong together."""

    effects: dict[str, dict[str, float]]
    shares: dict[str, np.ndarray]
    fee_level: float
    intercept: float

    @classmethod
    def draw(cls, rng: np.random.Generator, churn_rate: float | None = None) -> "Market":
        effects, shares = {}, {}
        for column, pool in NAMES.items():
            chosen = rng.permutation(pool)[: 3 if column == "contract" else 4]
            spread = np.linspace(-0.8, 0.8, len(chosen)) * rng.uniform(0.7, 1.3)
            effects[column] = dict(zip(chosen.tolist(), spread.tolist(), strict=True))
            share = rng.uniform(1.0, 3.0, len(chosen))
            shares[column] = share / share.sum()
        market = cls(effects, shares, float(rng.uniform(0.5, 3.0)), 0.0)
        rate = churn_rate if churn_rate is not None else float(rng.uniform(0.12, 0.35))
        logits = market.sample(rng, 4000, keep_logit=True)["logit"].to_numpy()
        low, high = -8.0, 8.0
        for _ in range(40):
            market.intercept = (low + high) / 2
            if np.mean(1 / (1 + np.exp(-(logits + market.intercept)))) < rate:
                low = market.intercept
            else:
                high = market.intercept
        return market

    def sample(self, rng: np.random.Generator, n: int, *, keep_logit: bool = False) -> pd.DataFrame:
        frame = pd.DataFrame({"customer_id": _ids(rng, n)})
        logit = np.full(n, self.intercept)
        for column, effects in self.effects.items():
            names = list(effects)
            picked = rng.choice(len(names), n, p=self.shares[column])
            frame[column] = [names[i] for i in picked]
            logit += np.array(list(effects.values()))[picked]
        tenure = np.minimum(rng.exponential(24, n), 96).astype(int)
        fee = rng.normal(38, 10, n).clip(9)
        volume = np.exp(rng.normal(4.6, 0.7, n))
        calls = rng.poisson(1.3, n)
        login = rng.exponential(14, n).astype(int)
        logit += 0.6 * (calls - 1.3) - 0.04 * (tenure - 24) + 0.05 * (login - 14)
        logit += 0.04 * (fee - 38) - 0.003 * (volume - 120)
        frame["tenure_months"] = tenure
        frame["monthly_fee"] = np.round(fee * self.fee_level, 2)
        frame["data_gb"] = _with_gaps(rng, np.round(volume, 1), 0.06)
        frame["support_calls"] = _with_gaps(rng, calls, 0.03)
        frame["days_since_login"] = _with_gaps(rng, login, 0.09)
        frame["churned"] = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
        if keep_logit:
            frame["logit"] = logit
        return frame


def _ids(rng: np.random.Generator, n: int) -> list[str]:
    return [str(number) for number in 1_000_000 + rng.choice(300_000, n, replace=False)]


def _with_gaps(rng: np.random.Generator, values: np.ndarray, share: float) -> list[str]:
    return [
        "" if gap else str(v)
        for v, gap in zip(values, rng.random(len(values)) < share, strict=True)
    ]


def unlabelled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="churned")


# ---------------------------------------------------------------------------- the two commands


def train(submission, frame, out="model", *, seed=None, run=None):
    """Trains in the box and returns metrics.json, its fields checked."""
    argv = ["train", "--data", "train.csv", "--out", out]
    submission.write({"train.csv": frame})
    argv = argv if seed is None else [*argv, "--seed", str(seed)]
    (run or call)(submission, argv, customers(frame))
    return metrics_of(submission, out)


def predict(submission, frame, model="model", out="scores.csv", *, run=None, of=None):
    """Scores in the box and returns the answer's rows by customer, checked.

    `of` says what file it is, if it is a special one.
    """
    submission.write({"new.csv": frame})
    argv = ["predict", "--model", model, "--in", "new.csv", "--out", out]
    (run or call)(submission, argv, of or customers(frame))
    return scores_of(submission, out, frame)


def customers(frame):
    return "1 customer" if len(frame) == 1 else f"{len(frame)} customers"


def call(submission, argv, of):
    """The quick way, without a process for each command: main(argv)."""
    try:
        code = submission.call("churn.__main__:main", argv)
        lines = [] if code == 0 else submission.log().strip().splitlines()
        observed = f"main(argv) gave exit code {code!r}" + (
            f", and printed: {lines[-1]}" if lines else ""
        )
    except Raised as error:
        code = f"{error.type}: {error.message}"
        observed = " ".join(error.unmet().finding.observed.split())
    expect(
        (type(code) is int and code == 0) or code == "SystemExit: 0",
        observed=observed,
        expected="exit code 0",
        given=f"{argv[0]} with a file of {of}",
    )


def command(submission, argv, of, **how):
    """The whole way: python -m churn in a process of its own."""
    finished = submission.run(["python", "-m", "churn", *argv], **how)
    succeeds(finished, argv[0], of)


def new_interpreter(submission, argv, of):
    command(submission, argv, of, fresh=True)


def succeeds(finished, verb, of):
    expect(
        finished.exit_code == 0,
        observed=f"exit code {finished.exit_code}{complaint(finished)}",
        expected="exit code 0",
        given=f"{verb} with a file of {of}",
    )


def complaint(finished):
    lines = finished.stderr.strip().splitlines()
    return f", and on standard error: {lines[-1]}" if lines else ", nothing on standard error"


def metrics_of(submission, folder):
    path = f"{folder}/metrics.json"
    metrics = submission.json(path)
    expect(isinstance(metrics, dict), observed=f"{path} holds {metrics!r}", expected="an object")
    for field in ("seed", "n_train", "n_test"):
        number(metrics, field, path, whole=True)
    for field in ("threshold", "auc", "precision", "recall"):
        number(metrics, field, path)
        expect(
            0 <= metrics[field] <= 1,
            observed=f"{field} is {metrics[field]} in {path}",
            expected="a number from 0 to 1",
        )
    return metrics


def number(found, field, path, *, whole=False):
    value = found.get(field)
    fits = type(value) is int or (type(value) is float and not whole and math.isfinite(value))
    expect(
        fits,
        observed=f"{field} is {value!r} in {path}" if field in found else f"no {field} in {path}",
        expected="a whole number" if whole else "a finite number",
    )


def cells(rows, name):
    return [row[name] for row in rows]


def split_of(submission, frame, folder="model"):
    """The fold of each customer of `frame`, in its order."""
    path = f"{folder}/split.csv"
    rows = submission.csv(path, columns=["customer_id", "fold"])
    ids = cells(rows, "customer_id")
    expect(
        sorted(ids) == sorted(frame["customer_id"]),
        observed=f"{path} has {len(ids)} rows, with ids like {ids[:2]}",
        expected=f"each of the {len(frame)} customers of the training file once, "
        f"with ids like {frame['customer_id'].iloc[0]!r}",
    )
    others = sorted(set(cells(rows, "fold")) - {"train", "test"})
    expect(not others, observed=f"{path} has the folds {others}", expected="only train and test")
    fold = dict(zip(ids, cells(rows, "fold"), strict=True))
    return frame["customer_id"].map(fold).to_numpy()


def scores_of(submission, path, frame):
    """The scores of `frame`, indexed by customer."""
    rows = submission.csv(path, columns=["customer_id", "churn_probability", "call"])
    ids, found = list(frame["customer_id"]), cells(rows, "customer_id")
    expect(
        found == ids,
        observed=f"{len(found)} rows, with ids {found[:3]} first",
        expected=f"{len(ids)} rows in the order of the input, with ids {ids[:3]} first",
    )
    probability = [as_probability(cell, path) for cell in cells(rows, "churn_probability")]
    odd = [cell for cell in cells(rows, "call") if cell not in ("0", "1")]
    expect(not odd, observed=f"{path} has call = {odd[:1]}", expected="0 or 1")
    call = [int(cell) for cell in cells(rows, "call")]
    return pd.DataFrame({"probability": probability, "call": call}, index=ids)


def has_columns(submission, path, wanted):
    """These columns and no others: an index that was left in is one more."""
    header = submission.text(path).splitlines()[0]
    expect(
        sorted(name.strip('"') for name in header.split(",")) == sorted(wanted),
        observed=f"{path} has the columns {header}",
        expected=f"{', '.join(wanted)}, and no others",
    )


def as_probability(cell, path):
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    expect(
        0 <= value <= 1,
        observed=f"{path} has churn_probability = {cell!r}",
        expected="a number from 0 to 1",
    )
    return value


def report_of(submission, out="scores.csv"):
    path = f"{out}.report.json"
    report = submission.json(path)
    expect(isinstance(report, dict), observed=f"{path} holds {report!r}", expected="an object")
    for field in ("rows", "unseen_cells"):
        number(report, field, path, whole=True)
    unseen = report.get("unseen")
    expect(
        isinstance(unseen, dict) and sorted(unseen) == sorted(CATEGORICAL),
        observed=f"unseen is {unseen!r} in {path}",
        expected=f"an object with the keys {CATEGORICAL}",
    )
    for column in CATEGORICAL:
        number(unseen, column, path, whole=True)
    return report


# ---------------------------------------------------------------------------- the stated recipe


def recipe(rows: pd.DataFrame) -> Callable[[pd.DataFrame], np.ndarray]:
    """Fits the README's recipe on `rows` by Newton's method; returns what scores other rows."""
    numbers = rows[NUMERIC].apply(pd.to_numeric)
    median = numbers.median()
    filled = numbers.fillna(median)
    mean, scale = filled.mean(), filled.std(ddof=0)
    levels = {column: sorted(set(rows[column])) for column in CATEGORICAL}

    def design(other: pd.DataFrame) -> np.ndarray:
        scaled = (other[NUMERIC].apply(pd.to_numeric).fillna(median) - mean) / scale
        hot = [(other[c] == level).to_numpy(float) for c in CATEGORICAL for level in levels[c]]
        return np.column_stack([np.ones(len(other)), scaled.to_numpy(float), *hot])

    x, y = design(rows), rows["churned"].to_numpy(float)
    penalty = np.ones(x.shape[1])
    penalty[0] = 0.0
    weights = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (p - y) + penalty * weights
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    return lambda other: 1 / (1 + np.exp(-design(other) @ weights))


def auc(actual: np.ndarray, score: np.ndarray) -> float:
    rank = pd.Series(score).rank().to_numpy()
    positive = actual == 1
    hits = positive.sum()
    return float((rank[positive].sum() - hits * (hits + 1) / 2) / (hits * (len(actual) - hits)))


def gap(left: pd.DataFrame, right: pd.DataFrame) -> float:
    """The largest difference between two scorings of the same customers."""
    return float((left["probability"] - right["probability"].reindex(left.index)).abs().max())


# ---------------------------------------------------------------------------- the incident


def test_works_on_a_new_export(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 1200), unlabelled(market.sample(rng, 150))
    seed = int(rng.integers(1, 1000))
    finished = submission.run(
        ["python", "-m", "churn", "train", "--data", "in/export.csv", "--out", "models/autumn",
         "--seed", str(seed)],
        files={"in/export.csv": labelled, "in/new.csv": new},
    )  # fmt: skip
    succeeds(finished, "train", customers(labelled))
    metrics = metrics_of(submission, "models/autumn")
    fold = split_of(submission, labelled, "models/autumn")
    counted = {"seed": seed, "n_train": int((fold == "train").sum())}
    counted["n_test"] = len(labelled) - counted["n_train"]
    told = {field: metrics[field] for field in counted}
    expect(told == counted, observed=f"metrics.json says {told}", expected=f"{counted}")
    share = counted["n_test"] / len(labelled)
    expect(
        0.12 <= share <= 0.28,
        observed=f"{share:.1%} of the customers are in the test fold",
        expected="one in five, give or take: 12 % to 28 %",
    )
    finished = submission.run(
        ["python", "-m", "churn", "predict", "--model", "models/autumn", "--in", "in/new.csv",
         "--out", "out/monday/scores.csv"]
    )  # fmt: skip
    succeeds(finished, "predict", customers(new))
    scores_of(submission, "out/monday/scores.csv", new)
    has_columns(submission, "models/autumn/split.csv", ["customer_id", "fold"])
    wanted = ["customer_id", "churn_probability", "call"]
    has_columns(submission, "out/monday/scores.csv", wanted)
    report = report_of(submission, "out/monday/scores.csv")
    expect(report["rows"] == 150, observed=f"rows is {report['rows']}", expected="150")
    known = {"in/export.csv", "in/new.csv"}
    known |= {"out/monday/scores.csv", "out/monday/scores.csv.report.json"}
    others = [p for p in submission.listing(".") if p not in known]
    stray = sorted(path for path in others if not path.startswith("models/autumn/"))
    expect(
        not stray,
        observed=f"the commands left {', '.join(stray[:3])} in the working directory",
        expected="files only where --out says",
        given="train --out models/autumn, then predict --out out/monday/scores.csv",
    )


def test_stands_alone(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 800), unlabelled(market.sample(rng, 60))
    # The package alone, in a folder without the notebook and the old data.
    package = [path for path in submission.sources() if path.startswith("churn/")]
    submission.write({f"alone/{path}": submission.read(path) for path in package})
    starter = "import sys\nfrom churn.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
    train_command = ["train", "--data", "train.csv", "--out", "model"]
    predict_command = ["predict", "--model", "model", "--in", "new.csv", "--out", "scores.csv"]
    files = {"alone/start.py": starter, "train.csv": labelled, "new.csv": new}
    for argv in (train_command, predict_command):
        finished = submission.run(["python", "alone/start.py", *argv], files=files)
        files = {}
        expect(
            finished.exit_code == 0,
            observed=f"exit code {finished.exit_code}{complaint(finished)}",
            expected="exit code 0",
            given=f"{argv[0]}, with only the package's own .py files at hand",
        )
    scores_of(submission, "scores.csv", new)


def test_threshold_from_this_data(submission, rng):
    for number_, rate in enumerate((rng.uniform(0.08, 0.12), rng.uniform(0.34, 0.42))):
        market = Market.draw(rng, churn_rate=float(rate))
        labelled = market.sample(rng, 1000)
        folder = f"model{number_}"
        threshold = train(submission, labelled, folder)["threshold"]
        inside = unlabelled(labelled[split_of(submission, labelled, folder) == "train"])
        scored = predict(submission, inside, folder)
        given = f"an export with {labelled['churned'].mean():.0%} churn"
        allowed = math.ceil(CALL_SHARE * len(inside))
        called = int(scored["call"].sum())
        expect(
            abs(called - allowed) <= 2,
            observed=f"{called} of the {len(inside)} customers of the train fold get a call",
            expected=f"{allowed} of them, one in eight",
            given=given,
        )
        clear = scored[(scored["probability"] - threshold).abs() > 1e-9]
        wrong = clear[clear["call"] != (clear["probability"] >= threshold)]
        expect(
            wrong.empty,
            observed=f"{len(wrong)} rows whose call does not follow from the threshold {threshold}",
            expected="call is 1 exactly where churn_probability >= threshold",
            given=given,
        )


def test_repeatable(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 700), unlabelled(market.sample(rng, 80))
    # A new interpreter hashes text in another way than the warm one does.
    for folder, run in (("first", command), ("second", new_interpreter)):
        train(submission, labelled, folder, seed=5, run=run)
        predict(submission, new, folder, f"{folder}.csv")
    for one, other in (
        ("first/metrics.json", "second/metrics.json"),
        ("first/split.csv", "second/split.csv"),
        ("first.csv", "second.csv"),
        ("first.csv.report.json", "second.csv.report.json"),
    ):
        expect(
            submission.file(one) == submission.file(other),
            observed=f"{one} and {other} differ",
            expected="the same bytes",
            given="two trainings with one file and one seed, in two processes",
        )
    train(submission, labelled, "second", seed=6)
    expect(
        submission.file("first/split.csv") != submission.file("second/split.csv"),
        observed="--seed 5 and --seed 6 give the same split",
        expected="another seed draws another split",
        given="the second one written over a model that was there",
    )


# ---------------------------------------------------------------------------- its neighbours


def test_metrics_are_honest(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 1200), market.sample(rng, 200)
    metrics = train(submission, labelled)
    fold = split_of(submission, labelled)
    inside, outside = labelled[fold == "train"], labelled[fold == "test"]
    refit = recipe(inside)
    given = f"an independent fit of the recipe on the {len(inside)} rows of the train fold"
    difference = np.abs(predict(submission, new)["probability"].to_numpy() - refit(new)).max()
    expect(
        difference <= 0.01,
        observed=f"predictions for new customers that differ by up to {difference:.4f}",
        expected="at most 0.01 apart",
        given=given,
    )
    actual = outside["churned"].to_numpy()
    true_auc = auc(actual, refit(outside))
    expect(
        abs(metrics["auc"] - true_auc) <= 0.005,
        observed=f"metrics.json says auc = {metrics['auc']:.4f}",
        expected=f"{true_auc:.4f} on the test fold, within 0.005",
        given=given,
    )
    # Precision and recall hang on single rows near the threshold: measure the shipped model.
    called = predict(submission, outside)["call"].to_numpy() == 1
    hits = int((called & (actual == 1)).sum())
    for field, of in (("precision", int(called.sum())), ("recall", int((actual == 1).sum()))):
        true = hits / of if of else 0.0
        expect(
            abs(metrics[field] - true) <= 1e-3,
            observed=f"metrics.json says {field} = {metrics[field]:.4f}",
            expected=f"{hits} of {of} = {true:.4f}, within 0.001",
            given="the calls that predict itself gives to the customers of the test fold",
        )

    scores = predict(submission, unlabelled(inside))
    calm = inside.set_index("customer_id").loc[scores["probability"].idxmin(), FEATURES]
    labelled.loc[fold == "test", FEATURES] = calm.to_numpy()
    metrics = train(submission, labelled)
    told = {field: metrics[field] for field in ("precision", "recall")}
    expect(
        not any(told.values()),
        observed=f"metrics.json says {told}",
        expected="0 for both, since nobody in the test fold is called",
        given="a test fold of customers who are all as calm as the calmest of the train fold",
    )


def test_learns_from_train_only(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 900), unlabelled(market.sample(rng, 150))
    before = train(submission, labelled, "before")
    fold = split_of(submission, labelled, "before")
    scores = predict(submission, new, "before", "before.csv")

    out = fold == "test"
    altered = labelled.astype(dict.fromkeys(NUMERIC, object))
    for column in NUMERIC:
        altered.loc[out, column] = [str(v) for v in rng.integers(2_000, 9_000, int(out.sum()))]
    altered.loc[out, "region"] = "elsewhere"
    altered.loc[out, "churned"] = 1 - altered.loc[out, "churned"]
    after = train(submission, altered, "after")
    moved = int((split_of(submission, altered, "after") != fold).sum())
    expect(
        moved == 0,
        observed=f"{moved} customers changed folds",
        expected="none: the split depends on ids and seed",
        given="the same customers with other values in some columns",
    )
    given = "two trainings that differ only in rows of the test fold"
    difference = gap(scores, predict(submission, new, "after", "after.csv"))
    expect(
        difference <= 1e-6,
        observed=f"predictions for new customers moved by up to {difference:.2g}",
        expected="the same predictions: nothing is learnt from the test fold",
        given=given,
    )
    expect(
        abs(before["threshold"] - after["threshold"]) <= 1e-6,
        observed=f"the threshold moved from {before['threshold']:.6f} to {after['threshold']:.6f}",
        expected="the same threshold",
        given=given,
    )


def test_one_by_one(submission, rng):
    market = Market.draw(rng)
    train(submission, market.sample(rng, 800))
    new = unlabelled(market.sample(rng, 40))
    batch = predict(submission, new)
    # Very unlike the others, so that a batch which is measured against itself gives itself away.
    rich = new.assign(
        customer_id="9" + new["customer_id"].str[1:],
        monthly_fee=(new["monthly_fee"] * 3).round(2),
        tenure_months=new["tenure_months"] + 60,
    )
    alone = [predict(submission, new.iloc[[i]], out="one.csv") for i in range(5)]
    for how, scored in (
        ("one row in a file of its own", pd.concat(alone)),
        ("one half of the file", predict(submission, new.iloc[:20], out="half.csv")),
        (
            "the file with as many unusual customers below",
            predict(submission, pd.concat([new, rich]), out="both.csv").iloc[: len(new)],
        ),
    ):
        difference = gap(scored, batch)
        expect(
            difference <= 1e-9,
            observed=f"the same customer's probability differs by up to {difference:.3g}",
            expected="the same probability, within 1e-9",
            given=f"{how}, against the whole file",
        )
        other = int((scored["call"] != batch["call"].reindex(scored.index)).sum())
        expect(
            other == 0,
            observed=f"{other} of {len(scored)} customers have another value of call",
            expected="the same call: it follows from probability and threshold",
            given=f"{how}, against the whole file",
        )


def test_order_does_not_matter(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 900), unlabelled(market.sample(rng, 100))
    train(submission, labelled, "plain")
    fold = split_of(submission, labelled, "plain")
    scores = predict(submission, new, "plain", "plain.csv")

    def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
        columns = rng.permutation(frame.columns).tolist()
        return frame.sample(frac=1, random_state=rng)[columns]

    noted = labelled.assign(left_on=["2025-09-30" if c else "" for c in labelled["churned"]])
    train(submission, shuffled(noted), "shuffled")
    moved = int((split_of(submission, labelled, "shuffled") != fold).sum())
    expect(
        moved == 0,
        observed=f"{moved} customers changed folds",
        expected="none: the split depends on ids and seed",
        given="the same training file with rows and columns in another order",
    )
    difference = gap(scores, predict(submission, new, "shuffled", "other.csv"))
    expect(
        difference <= 1e-3,
        observed=f"predictions moved by up to {difference:.3g}",
        expected="the same model, within 0.001",
        given="the same training file with rows and columns in another order and a column more",
    )
    other = shuffled(new.assign(churned=1, note="called in May"))
    difference = gap(scores, predict(submission, other, "plain", "again.csv"))
    expect(
        difference <= 1e-9,
        observed=f"predictions moved by up to {difference:.3g}",
        expected="the same predictions, within 1e-9",
        given="the same customers with rows and columns in another order and two columns more",
    )


def test_model_moves(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 600), unlabelled(market.sample(rng, 50))
    train(submission, labelled)
    here = predict(submission, new)
    model = [path for path in submission.listing(".") if path.startswith("model/")]
    submission.write({f"shelf/{path}": submission.file(path) for path in model})
    submission.write(dict.fromkeys([*model, "train.csv"], ""))
    difference = gap(here, predict(submission, new, "shelf/model", "there.csv", run=command))
    expect(
        difference <= 1e-9,
        observed=f"predictions moved by up to {difference:.3g}",
        expected="the same predictions",
        given="the model folder copied elsewhere, the old one and the training file emptied",
    )


def test_importable(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 600), unlabelled(market.sample(rng, 50))
    train(submission, labelled, run=command)
    by_command = predict(submission, new, run=command)
    again = ["train", "--data", "train.csv", "--out", "second"]
    score = ["predict", "--model", "model", "--in", "new.csv", "--out", "called.csv"]
    for argv in (score, again):
        try:
            code = submission.call("churn.__main__:main", argv)
        except Raised as error:
            code = f"{error.type}: {error.message}"
        expect(
            type(code) is int and code == 0,
            observed=f"main({argv[0]!r}, …) gave {code!r}",
            expected="0",
            given="a scheduler that imports churn.__main__ and calls main(argv)",
        )
    crossed = predict(submission, new, "second", "crossed.csv", run=command)
    for how, scored in (
        ("main(argv), with the command's model", scores_of(submission, "called.csv", new)),
        ("the command, with main(argv)'s model", crossed),
    ):
        difference = gap(by_command, scored)
        expect(
            difference <= 1e-9,
            observed=f"predictions that differ by up to {difference:.3g}",
            expected="the predictions of the command line alone",
            given=how,
        )


def test_ids_survive(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 600), unlabelled(market.sample(rng, 50))
    for frame in (labelled, new):
        frame["customer_id"] = "00" + frame["customer_id"].str[2:]
    new.iloc[:5, 0] = [f"DE-{customer}" for customer in new["customer_id"][:5]]
    train(submission, labelled)
    split_of(submission, labelled)
    predict(submission, new)


# ---------------------------------------------------------------------------- bad input


def test_unseen_category(submission, rng):
    market = Market.draw(rng)
    labelled = market.sample(rng, 900)
    train(submission, labelled)
    fold = split_of(submission, labelled)
    refit = recipe(labelled[fold == "train"])
    new = unlabelled(market.sample(rng, 120))
    count = dict.fromkeys(CATEGORICAL, 0)
    for column in ("plan", "region", "payment_method"):
        rows = rng.choice(len(new), int(rng.integers(2, 9)), replace=False)
        strange = [f"{column}-{rng.integers(100)}" for _ in rows]
        strange[0] = ""
        new.iloc[rows, new.columns.get_loc(column)] = strange
        count[column] = len(rows)
    listed = ", ".join(f"{number_} in {column}" for column, number_ in count.items())
    given = f"cells that the train fold never had: {listed}"
    scores = predict(submission, new, of=f"{customers(new)}; {given}")
    report = report_of(submission)
    expect(
        report["unseen"] == count and report["unseen_cells"] == sum(count.values()),
        observed=f"unseen_cells is {report['unseen_cells']}, unseen is {report['unseen']}",
        expected=f"{sum(count.values())} and {count}",
        given=given,
    )
    difference = np.abs(scores["probability"].to_numpy() - refit(new)).max()
    expect(
        difference <= 0.01,
        observed=f"predictions that differ from an independent fit by up to {difference:.4f}",
        expected="at most 0.01: an unseen category adds nothing, the other columns count as ever",
        given=given,
    )
    predict(submission, unlabelled(market.sample(rng, 30)), out="plain.csv")
    again = report_of(submission, "plain.csv")["unseen_cells"]
    expect(again == 0, observed=f"unseen_cells is {again}", expected="0", given="known categories")


def refused(submission, argv, frame, wanted, given):
    """The command ends with 2, names `wanted` and leaves every file as it was."""
    submission.write({"bad.csv": frame})
    before = {path: submission.file(path) for path in submission.listing(".")}
    finished = submission.run(["python", "-m", "churn", *argv])
    expect(
        finished.exit_code == 2,
        observed=f"exit code {finished.exit_code}{complaint(finished)}",
        expected="exit code 2",
        given=given,
    )
    expect(
        wanted in finished.stderr,
        observed=f"exit code 2{complaint(finished)}",
        expected=f"the name {wanted!r} on standard error",
        given=given,
    )
    after = {path: submission.file(path) for path in submission.listing(".")}
    changed = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    expect(
        not changed,
        observed=f"{', '.join(changed[:3])} changed or appeared",
        expected="every file as it was before",
        given=given,
    )


def test_missing_column(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 600), unlabelled(market.sample(rng, 40))
    train(submission, labelled)
    predict(submission, new)
    score = ["predict", "--model", "model", "--in", "bad.csv", "--out"]
    column = str(rng.choice(FEATURES))
    given = f"predict with a file without {column}"
    refused(submission, [*score, "scores.csv"], new.drop(columns=column), column, given)
    given = "predict with a file of zero bytes"
    refused(submission, [*score, "n.csv"], "", "customer_id", given)
    fit = ["train", "--data", "bad.csv", "--out"]
    given = "train with a file without churned"
    refused(submission, [*fit, "model"], unlabelled(labelled), "churned", given)


def test_not_a_number(submission, rng):
    market = Market.draw(rng)
    labelled, new = market.sample(rng, 600), unlabelled(market.sample(rng, 40))
    train(submission, labelled)
    predict(submission, new)

    def spoilt(frame: pd.DataFrame, column: str, cell: str) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.iloc[int(rng.integers(len(frame))), frame.columns.get_loc(column)] = cell
        return frame

    score = ["predict", "--model", "model", "--in", "bad.csv", "--out", "scores.csv"]
    for column in NUMERIC:
        cell = str(rng.choice(["12,50", "soon", "n.n."]))
        given = f"predict, one customer's {column} is {cell!r}"
        refused(submission, score, spoilt(new, column, cell), column, given)
    column = str(rng.choice(NUMERIC))
    fit = ["train", "--data", "bad.csv", "--out", "model"]
    given = f"train, one customer's {column} is 'inf'"
    refused(submission, fit, spoilt(labelled, column, "inf"), column, given)


def test_header_only(submission, rng):
    market = Market.draw(rng)
    train(submission, market.sample(rng, 600))
    nobody = unlabelled(market.sample(rng, 5)).iloc[:0]
    predict(submission, nobody)
    report = report_of(submission)
    told = [report["rows"], report["unseen_cells"], *report["unseen"].values()]
    expect(
        not any(told),
        observed=f"the report says {json.dumps(report)}",
        expected="zeros",
        given="a file with the header and no rows",
    )


# ---------------------------------------------------------------------------- of use


def test_finds_leavers(submission, rng):
    market = Market.draw(rng, churn_rate=float(rng.uniform(0.2, 0.3)))
    train(submission, market.sample(rng, 1500))
    new = market.sample(rng, 1500, keep_logit=True)
    scores = predict(submission, unlabelled(new).drop(columns="logit"))
    actual = new["churned"].to_numpy()
    best = auc(actual, new["logit"].to_numpy())
    found = auc(actual, scores["probability"].to_numpy())
    expect(
        found >= best - 0.04,
        observed=f"AUC {found:.3f} on fresh customers",
        expected=f"at least {best - 0.04:.3f} (0.04 below what can be known about them)",
        given="1,500 customers to learn from, 1,500 fresh ones of the same market",
    )
    share = scores["call"].mean()
    expect(
        0.07 <= share <= 0.18,
        observed=f"{share:.1%} of fresh customers get a call",
        expected="7 % to 18 %, about one in eight",
    )
    lift = actual[scores["call"].to_numpy() == 1].mean() / actual.mean()
    expect(
        lift >= 1.7,
        observed=f"leavers are {lift:.2f} times as common on the call list as elsewhere",
        expected="at least 1.7 times",
    )
