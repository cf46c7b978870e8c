"""python -m owners."""

import argparse
import json
import re
import sys
from pathlib import Path

from pydantic import ValidationError

from owners import models, patterns


def main(argv=None) -> int:
    parser = argparse.ArgumentParser("owners")
    for option in ("--repo", "--org", "--change", "--alerts", "--now", "--out"):
        parser.add_argument(option, required=True)
    options = parser.parse_args(argv)
    reading = "--now"
    try:
        now = models.NOW.validate_python(options.now)
        reading = options.org
        org = models.Org.model_validate_json(Path(reading).read_bytes())
        reading = options.change
        change = models.Change.model_validate_json(Path(reading).read_bytes())
        reading = options.alerts
        alerts = models.ALERTS.validate_json(Path(reading).read_bytes())
        reading = options.repo
        place, text = codeowners(Path(reading))
    except (ValidationError, OSError) as error:
        print(f"{reading} cannot be used: {error}", file=sys.stderr)
        return 2

    problems, rules = [], []
    for line in patterns.lines(text):
        complaints, rule = judged(line, org)
        problems += [{"line": line.number, "kind": kind, "what": what} for kind, what in complaints]
        rules += [rule] if rule else []
    paths = {path: None for file in change.files for path in (file.path, file.previous) if path}
    report = {
        "codeowners": place,
        "problems": problems,
        "paths": [about(path, rules, change.author) for path in paths],
        "alerts": [routed(alert, org, now) for alert in alerts],
    }
    Path(options.out).write_text(json.dumps(report))
    finding = problems or [p for p in report["paths"] if p["state"] in ("stranded", "unmatched")]
    return 1 if finding or any(alert["problems"] for alert in report["alerts"]) else 0


def codeowners(repo: Path) -> tuple[str | None, str]:
    list(repo.iterdir())  # raises unless it is a folder
    for place in (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"):
        try:
            return place, (repo / place).read_text()
        except OSError:
            continue
    return None, ""


def judged(line, org):
    """What is wrong with a line, and the rule that it makes, if any."""
    if re.match(r"!|.*[\[\]\\]", line.pattern):
        return [("invalid-pattern", line.pattern)], None
    for owner in line.owners:
        if not re.fullmatch(r"@[\w.-]+(/[\w.-]+)?", owner):
            return [("invalid-owner", owner)], None
    complaints, people = [], set()
    for owner in line.owners:
        name = org.names.get(owner.lower())
        active = org.active(name) if name else set()
        if name is None:
            complaints.append(("unknown-owner", owner))
        elif name not in org.writers:
            complaints.append(("no-write-access", owner))
        elif not active:
            complaints.append(("nobody-left", owner))
        else:
            people |= active
    return complaints, (line, people)


def about(path, rules, author):
    for line, people in reversed(rules):
        if line.owns(path):
            left = [one for one in people if one.lower() != author.lower()]
            state = ("covered" if left else "stranded") if line.owners else "cleared"
            return {"path": path, "line": line.number, "state": state, "reviewers": left}
    return {"path": path, "line": None, "state": "unmatched", "reviewers": []}


def routed(alert, org, now):
    problems, notify = [], None
    name = org.names.get(alert.owner.lower())
    if not alert.owner:
        problems.append("no-owner")
    elif name not in org.teams:
        problems.append("unknown-owner")
    else:
        try:
            person = models.Rotation.model_validate(org.rotations.get(name)).at(now)
        except (ValueError, KeyError):
            person = None
        if person in org.people and org.people[person].active:
            notify = person
        else:
            problems.append("nobody-on-call")
    if not alert.runbook:
        problems.append("no-runbook")
    return {"id": alert.id, "notify": notify, "problems": problems}


if __name__ == "__main__":
    sys.exit(main())
