"""python -m owners: one report for the merge gate and for the alert router."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from owners import alerts, codeowners, inputs, review
from owners.org import Org


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="owners", description=__doc__)
    parser.add_argument("--repo", required=True, type=Path, help="a checkout of the base branch")
    parser.add_argument("--org", required=True, type=Path, help="people, teams, access, rotations")
    parser.add_argument("--change", required=True, type=Path, help="author and files of a change")
    parser.add_argument("--alerts", required=True, type=Path, help="the alert definitions")
    parser.add_argument("--now", required=True, help="ISO 8601, with an offset")
    parser.add_argument("--out", required=True, type=Path, help="where the report goes")
    options = parser.parse_args(argv)
    try:
        report = build(options)
    except inputs.Refused as refused:
        print(f"owners: {refused}", file=sys.stderr)
        return 2
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if has_findings(report) else 0


def build(options: argparse.Namespace) -> dict[str, Any]:
    """The report. Everything is read before anything is written."""
    now = inputs.moment(options.now)
    org = Org(inputs.org(options.org))
    change = inputs.change(options.change)
    defined = inputs.alerts(options.alerts)
    text = ""
    place = codeowners.locate(inputs.folder(options.repo))
    if place is not None:
        text = (options.repo / place).read_text(encoding="utf-8", errors="replace")
    rules, skipped = codeowners.parse(text)
    problems = skipped + [problem for rule in rules for problem in review.dead_owners(rule, org)]
    return {
        "codeowners": place,
        "problems": sorted(problems, key=lambda problem: problem["line"]),
        "paths": review.check(change, rules, org),
        "alerts": [alerts.route(alert, org, now) for alert in defined],
    }


def has_findings(report: dict[str, Any]) -> bool:
    return (
        bool(report["problems"])
        or any(path["state"] != "covered" for path in report["paths"])
        or any(alert["problems"] for alert in report["alerts"])
    )


if __name__ == "__main__":
    sys.exit(main())
