"""The two commands with nothing but the standard library."""

import argparse
import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

from desk import proof

TEXTS = ("site", "channel", "proposal")
RANGES = ("age", "pages")
FEATURES = ("letter", *TEXTS, *RANGES, "confidence")

Rows = list[dict[str, str]]


def stop(why: str) -> None:
    print(f"desk: {why}", file=sys.stderr)


def read(path: str, columns: tuple[str, ...]) -> Rows | None:
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, restval="")
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        return stop(f"{path}: {error}")
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    return stop(f"{path} lacks {missing}") if missing else rows


def value(text: str) -> float:
    try:
        return float(text) if math.isfinite(float(text)) else math.nan
    except ValueError:
        return math.nan


def fit(args: argparse.Namespace) -> int:
    rows = read(args.cal, (*FEATURES, "fold", "truth"))
    if rows is None:
        return 2
    kept = {row["letter"]: row for row in rows if row["fold"] == "calibration" and row["truth"]}
    if not kept:
        stop(f"{args.cal} has no evidence")
        return 2
    for name in (*RANGES, "confidence"):
        if any(math.isnan(value(row[name])) for row in kept.values()):
            stop(f"{args.cal}: {name} is not always a number")
            return 2
    if not all(0 <= value(row["confidence"]) <= 1 for row in kept.values()):
        stop(f"{args.cal}: confidence is not always between 0 and 1")
        return 2
    policy: dict[str, Any] = {"risk": args.risk, "capacity": args.capacity, "sites": {}}
    for site in sorted({row["site"] for row in kept.values()}):
        own = [
            (letter, value(row["confidence"]), row["truth"] != row["proposal"])
            for letter, row in sorted(kept.items())
            if row["site"] == site
        ]
        proven = proof.prove(own, args.risk)
        threshold, bound = proven or (None, None)
        booked = [wrong for _, sure, wrong in own if threshold is not None and sure >= threshold]
        policy["sites"][site] = {
            "letters": len(own),
            "auto": len(booked),
            "errors": sum(booked),
            "bound": bound,
            "threshold": threshold,
            "feasible": proven is not None,
        }
        if proven is None:
            stop(f"nothing is booked at {site}: {len(own)} letters prove too little")
    policy["feasible"] = any(facts["feasible"] for facts in policy["sites"].values())
    policy["texts"] = {name: sorted({row[name] for row in kept.values()}) for name in TEXTS}
    for name in RANGES:
        numbers = [value(row[name]) for row in kept.values()]
        policy[name] = [min(numbers), max(numbers)]
    Path(args.out).write_text(json.dumps(policy, indent=1))
    return 0 if policy["feasible"] else 3


def judge(row: dict[str, str], policy: dict[str, Any]) -> tuple[str, str]:
    odd = [name for name in TEXTS if row[name] not in policy["texts"][name]]
    odd += [n for n in RANGES if not policy[n][0] <= value(row[n]) <= policy[n][1]]
    if not 0 <= value(row["confidence"]) <= 1:
        odd.append("confidence")
    if odd:
        return "unfamiliar", "not like the letters we know: " + ", ".join(odd)
    threshold = policy["sites"][row["site"]]["threshold"]
    if threshold is None:
        return "unproven", row["site"]
    return ("sure" if value(row["confidence"]) >= threshold else "doubtful"), ""


def route(args: argparse.Namespace) -> int:
    try:
        policy = json.loads(Path(args.policy).read_text())
        capacity = policy["capacity"]
    except (OSError, ValueError, KeyError) as error:
        stop(f"{args.policy} is no policy: {error}")
        return 2
    rows = read(args.letters, (*FEATURES, "harm", "waiting_days"))
    if rows is None:
        return 2
    reasons = {row["letter"]: judge(row, policy) for row in rows}
    asked = [row for row in rows if reasons[row["letter"]][0] != "sure"]
    old = [row for row in asked if int(row["waiting_days"]) > 8]
    new = [row for row in asked if int(row["waiting_days"]) <= 8]
    old.sort(key=lambda row: (-int(row["waiting_days"]), row["letter"]))
    new.sort(key=lambda row: (-cost(row), row["letter"]))
    places = {row["letter"]: place for place, row in enumerate(old + new, 1)}
    with open(args.out, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["letter", "action", "place", "reason", "detail"])
        for letter, told in reasons.items():
            place = places.get(letter)
            action = "auto" if place is None else "ask" if place <= capacity else "wait"
            writer.writerow([letter, action, place or "", *told])
    return 0


def cost(row: dict[str, str]) -> float:
    confidence = value(row["confidence"])
    doubt = 1 - confidence if 0 <= confidence <= 1 else 1.0
    return float(row["harm"]) * doubt


def share(text: str) -> float:
    if 0 < float(text) < 1:
        return float(text)
    raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="desk")
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("fit")
    one.set_defaults(verb=fit)
    one.add_argument("--cal", required=True)
    one.add_argument("--risk", type=share, required=True)
    one.add_argument("--capacity", type=int, required=True)
    one.add_argument("--out", required=True)
    one = verbs.add_parser("route")
    one.set_defaults(verb=route)
    one.add_argument("--policy", required=True)
    one.add_argument("--in", dest="letters", required=True)
    one.add_argument("--out", required=True)
    args = parser.parse_args(argv)
    return args.verb(args)


if __name__ == "__main__":
    sys.exit(main())
