"""`python -m desk fit` on Sundays, `python -m desk route` every morning."""

import argparse
import json
import sys
from pathlib import Path

from desk import policy, routing, tables


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="desk")
    verbs = parser.add_subparsers(dest="verb", required=True)
    fit = verbs.add_parser("fit", help="make a policy from the model team's export")
    fit.add_argument("--cal", type=Path, required=True)
    fit.add_argument("--risk", type=float, required=True)
    fit.add_argument("--capacity", type=int, required=True)
    fit.add_argument("--out", type=Path, required=True)
    route = verbs.add_parser("route", help="route one day's letters")
    route.add_argument("--policy", type=Path, required=True)
    route.add_argument("--in", dest="letters", type=Path, required=True)
    route.add_argument("--out", type=Path, required=True)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    try:
        if args.verb == "fit":
            rows = tables.read(args.cal, tables.CALIBRATION)
            made = policy.fit(rows, args.risk, args.capacity)
            args.out.write_text(json.dumps(made, indent=1))
        else:
            chosen = json.loads(args.policy.read_text())
            letters = tables.read(args.letters, tables.LETTERS)
            routing.route(letters, chosen).to_csv(args.out, index=False)
    except tables.Refused as error:
        print(f"desk: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
