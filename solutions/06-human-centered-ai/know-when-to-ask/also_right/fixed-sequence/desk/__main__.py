"""The two commands with data frames: thresholds are tried from strict to loose, until one fails."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

FEATURES = ["letter", "site", "channel", "age", "pages", "proposal", "confidence"]
TEXTS, NUMBERS = ["site", "channel", "proposal"], ["age", "pages", "confidence"]
STEPS = 20


class Refused(Exception):
    pass


def read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}") from error
    for name in columns:
        if name not in table:
            raise Refused(f"{path}: the column {name} is missing")
    return table


def as_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The numeric columns; NaN where a cell is no finite number, or no probability."""
    numbers = table[NUMBERS].apply(pd.to_numeric, errors="coerce")
    numbers = numbers.mask(~np.isfinite(numbers))
    numbers["confidence"] = numbers["confidence"].where(numbers["confidence"].between(0, 1))
    return numbers


def fit(args: argparse.Namespace) -> int:
    rows = read(args.cal, [*FEATURES, "fold", "truth"])
    rows = rows[(rows["fold"] == "calibration") & (rows["truth"] != "")]
    rows = rows.drop_duplicates("letter").copy()
    if rows.empty:
        raise Refused(f"{args.cal}: no row of fold calibration has a truth")
    rows[NUMBERS] = as_numbers(rows)
    for name in NUMBERS:
        if rows[name].isna().any():
            raise Refused(f"{args.cal}: the column {name} has cells that are no {name}")
    rows["wrong"] = rows["proposal"] != rows["truth"]
    sites = {str(site): fit_site(own, args.risk) for site, own in rows.groupby("site")}
    feasible = any(each["feasible"] for each in sites.values())
    policy = {
        "capacity": args.capacity,
        "feasible": feasible,
        "sites": sites,
        "texts": {name: sorted(rows[name].unique()) for name in TEXTS},
        "ranges": {name: [float(rows[name].min()), float(rows[name].max())] for name in ("age", "pages")},
    }
    args.out.write_text(json.dumps(policy))
    unproven = [site for site, each in sites.items() if not each["feasible"]]
    if unproven:
        print("not proven, so everything is asked:", ", ".join(unproven), file=sys.stderr)
    return 0 if feasible else 3


def fit_site(rows: pd.DataFrame, risk: float) -> dict[str, Any]:
    """Fixed-sequence testing: as one stops at the first failure, no correction is needed."""
    steps = rows.groupby("confidence")["wrong"].agg(["size", "sum"]).iloc[::-1].cumsum()
    proven = None
    # At least one error has to be allowed at the first step, or it fails too easily.
    first = 1.6 * np.log(0.05) / np.log(1 - risk)
    for wanted in np.linspace(first, max(len(rows), first), STEPS):
        at = steps["size"].searchsorted(wanted)
        if at == len(steps):
            break
        number, errors = int(steps["size"].iloc[at]), int(steps["sum"].iloc[at])
        test = binomtest(errors, number, risk, alternative="less")
        if test.pvalue > 0.05:
            break
        proven = float(steps.index[at]), number, errors, test
    best = {}
    if proven:
        threshold, number, errors, test = proven
        bound = min(float(test.proportion_ci(0.95).high), risk)
        best = {"threshold": threshold, "auto": number, "errors": errors}
        best |= {"bound": bound, "feasible": True}
    nothing = {"threshold": None, "auto": 0, "errors": 0, "bound": None, "feasible": False}
    return {"letters": len(rows), **(best or nothing)}


def route(args: argparse.Namespace) -> int:
    try:
        policy = json.loads(args.policy.read_text())
        thresholds = {site: each["threshold"] for site, each in policy["sites"].items()}
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{args.policy}: {error!r}") from error
    day = read(args.letters, [*FEATURES, "harm", "waiting_days"])
    numbers = as_numbers(day)
    strange = pd.DataFrame({name: ~day[name].isin(policy["texts"][name]) for name in TEXTS})
    for name, (least, most) in policy["ranges"].items():
        strange[name] = ~numbers[name].between(least, most)
    strange["confidence"] = numbers["confidence"].isna()
    needed = day["site"].map(thresholds).astype(float)
    day["reason"] = np.select(
        [strange.any(axis=1), needed.isna(), numbers["confidence"] < needed],
        ["unfamiliar", "unproven", "doubtful"],
        "sure",
    )
    day["detail"] = "look at: " + strange.dot(strange.columns + " ")
    # Each day that a letter lies here makes it three times as urgent.
    days = day["waiting_days"].astype(int).clip(upper=12)
    day["urgency"] = day["harm"].astype(float) * (1 - numbers["confidence"].fillna(0)) * 3.0**days
    queue = day[day["reason"] != "sure"].sort_values(["urgency", "letter"], ascending=[False, True])
    day["place"] = pd.Series(range(1, len(queue) + 1), index=queue.index, dtype="Int64")
    day["action"] = np.where(day["place"].fillna(0) <= policy["capacity"], "ask", "wait")
    day.loc[day["reason"] == "sure", "action"] = "auto"
    day[["letter", "action", "place", "reason", "detail"]].to_csv(args.out, index=False)
    return 0


def risk(text: str) -> float:
    if not 0 < float(text) < 1:
        raise ValueError
    return float(text)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="desk")
    verbs = parser.add_subparsers(required=True)
    for verb in (fit, route):
        one = verbs.add_parser(verb.__name__)
        one.set_defaults(verb=verb)
        one.add_argument("--out", type=Path, required=True)
        if verb is fit:
            one.add_argument("--cal", type=Path, required=True)
            one.add_argument("--risk", type=risk, required=True)
            one.add_argument("--capacity", type=int, required=True)
        else:
            one.add_argument("--policy", type=Path, required=True)
            one.add_argument("--in", dest="letters", type=Path, required=True)
    args = parser.parse_args(argv)
    try:
        return args.verb(args)
    except Refused as error:
        print(f"desk: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
