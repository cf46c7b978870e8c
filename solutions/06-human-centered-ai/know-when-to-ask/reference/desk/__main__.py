"""`python -m desk fit` on Sundays, `python -m desk route` every morning."""

import argparse
import json
import sys
from pathlib import Path

from desk import policy, routing, tables

DONE, REFUSED, NOTHING_PROVEN = 0, 2, 3


def share(text: str) -> float:
    risk = float(text)
    if not 0 < risk < 1:
        raise ValueError
    return risk


def count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="desk")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("fit", help="make a policy from the model team's export")
    verb.set_defaults(run=fit)
    verb.add_argument("--cal", type=Path, required=True)
    verb.add_argument("--risk", type=share, required=True)
    verb.add_argument("--capacity", type=count, required=True)
    verb.add_argument("--out", type=Path, required=True)
    verb = verbs.add_parser("route", help="route one day's letters")
    verb.set_defaults(run=route)
    verb.add_argument("--policy", type=Path, required=True)
    verb.add_argument("--in", dest="letters", type=Path, required=True)
    verb.add_argument("--out", type=Path, required=True)
    return parser.parse_args(argv)


def fit(args: argparse.Namespace) -> int:
    rows = tables.evidence(tables.read(args.cal, tables.CALIBRATION), args.cal)
    made = policy.fit(rows, args.risk, args.capacity)
    for site, facts in made["sites"].items():
        if not facts["feasible"]:
            why = f"{facts['letters']} letters do not prove an error rate of {args.risk:g} or less"
            print(f"desk: {site}: {why}; everything is asked", file=sys.stderr)
    tables.replace(args.out, json.dumps(made, indent=1) + "\n")
    return DONE if made["feasible"] else NOTHING_PROVEN


def route(args: argparse.Namespace) -> int:
    chosen = policy.load(args.policy)
    letters = tables.read(args.letters, tables.LETTERS)
    tables.replace(args.out, tables.as_csv(routing.route(letters, chosen)))
    return DONE


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    try:
        code: int = args.run(args)
        return code
    except tables.Refused as error:
        print(f"desk: {error}", file=sys.stderr)
        return REFUSED


if __name__ == "__main__":
    sys.exit(main())
