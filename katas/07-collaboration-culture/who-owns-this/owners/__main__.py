"""python -m owners: one report for the merge gate and for the alert router."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from owners import alerts, codeowners, review
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

    org = Org(load(options.org))
    change = load(options.change)
    place = codeowners.locate(options.repo)
    rules = codeowners.parse((options.repo / place).read_text()) if place else []
    now = datetime.fromisoformat(options.now)

    report: dict[str, Any] = {
        "codeowners": place,
        "problems": [],
        "paths": review.check(change, rules, org),
        "alerts": [alerts.route(alert, org, now) for alert in load(options.alerts)],
    }
    options.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def load(path: Path) -> Any:
    return json.loads(path.read_text())


if __name__ == "__main__":
    sys.exit(main())
