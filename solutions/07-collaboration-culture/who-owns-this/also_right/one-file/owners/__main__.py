"""All of it in one module: walks the pattern and the path side by side, and the shifts one by one."""

import argparse
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

PLACES = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"]


def main(argv=None):
    parser = argparse.ArgumentParser(prog="owners")
    for name in ("repo", "org", "change", "alerts", "now", "out"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args(argv)
    try:
        report = Tool(given).report()
    except SystemExit as refusal:
        print(refusal.code, file=sys.stderr)
        return 2
    Path(given.out).write_text(json.dumps(report, indent=1))
    bad_path = {"stranded", "unmatched"} & {entry["state"] for entry in report["paths"]}
    bad_alert = any(entry["problems"] for entry in report["alerts"])
    return int(bool(report["problems"] or bad_path or bad_alert))


def read(path, kind, *fields):
    try:
        data = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        sys.exit(f"cannot use {path}: {error}")
    if not isinstance(data, kind) or any(field not in data for field in fields):
        sys.exit(f"cannot use {path}: it has another form")
    return data


class Tool:
    def __init__(self, given):
        try:
            self.now = datetime.fromisoformat(given.now)
        except ValueError:
            sys.exit(f"cannot use --now {given.now}")
        if self.now.utcoffset() is None:
            sys.exit(f"cannot use --now {given.now}: no offset")
        org = read(given.org, dict, "people", "teams", "access", "rotations")
        self.change = read(given.change, dict, "author", "files")
        self.alerts = read(given.alerts, list)
        if not Path(given.repo).is_dir():
            sys.exit(f"cannot use {given.repo}")
        self.proper = {name.casefold(): name for name in [*org["people"], *org["teams"]]}
        self.people, self.teams, self.rotations = org["people"], org["teams"], org["rotations"]
        self.children = {}
        for name, team in self.teams.items():
            self.children.setdefault(team.get("parent"), []).append(name)
        # Access flows down from each team that has it, to teams and then to their people.
        writers = {name for name, level in org["access"].items() if level in
                   ("write", "maintain", "admin")}
        self.writers = set(writers)
        for name in writers:
            if name in self.teams:
                for below in self.family(name):
                    self.writers |= {below, *self.teams[below]["members"]}
        self.place, self.lines = None, []
        for place in PLACES:
            file = Path(given.repo, place)
            if file.exists():
                self.place, self.lines = place, file.read_bytes().decode().split("\n")
                break

    def family(self, team):
        """The team and all below it."""
        found, todo = [], [team]
        while todo:
            name = todo.pop()
            if name not in found:
                found.append(name)
                todo += self.children.get(name, [])
        return found

    def candidates(self, name):
        """People behind a proper name, active or not."""
        if name in self.people:
            return [name]
        return [member for team in self.family(name) for member in self.teams[team]["members"]]

    def active(self, name):
        return {one for one in self.candidates(name) if self.people.get(one, {}).get("active")}

    def report(self):
        problems, rules = [], []
        for number, line in enumerate(self.lines, 1):
            words = []
            for word in line.split():
                if word[0] == "#":
                    break
                words.append(word)
            if not words:
                continue
            pattern, owners = words[0], words[1:]
            note = lambda kind, what: problems.append(  # noqa: E731
                {"line": number, "kind": kind, "what": what}
            )
            if pattern[0] == "!" or set(pattern) & set("[]\\"):
                note("invalid-pattern", pattern)
                continue
            odd = [owner for owner in owners if owner[0] != "@"]
            if odd:
                note("invalid-owner", odd[0])
                continue
            reviewers = set()
            for owner in owners:
                proper = self.proper.get(owner.casefold())
                if proper is None:
                    note("unknown-owner", owner)
                elif proper not in self.writers:
                    note("no-write-access", owner)
                elif not self.active(proper):
                    note("nobody-left", owner)
                else:
                    reviewers |= self.active(proper)
            rules.append((number, pattern, bool(owners), reviewers))
        names = set()
        for file in self.change["files"]:
            names |= {file["path"], file.get("previous") or file["path"]}
        return {
            "codeowners": self.place,
            "problems": problems,
            "paths": [self.path(name, rules) for name in sorted(names)],
            "alerts": [self.alert(alert) for alert in self.alerts],
        }

    def path(self, path, rules):
        entry = {"path": path, "line": None, "state": "unmatched", "reviewers": []}
        for number, pattern, owned, reviewers in rules:
            if matches(pattern, path):
                left = sorted(
                    one for one in reviewers if one.casefold() != self.change["author"].casefold()
                )
                state = "cleared" if not owned else "covered" if left else "stranded"
                entry |= {"line": number, "state": state, "reviewers": left}
        return entry

    def alert(self, alert):
        owner, runbook = ((alert.get(name) or "").strip() for name in ("owner", "runbook"))
        proper = self.proper.get(owner.casefold())
        notify, problems = None, []
        if owner == "":
            problems = ["no-owner"]
        elif proper not in self.teams:
            problems = ["unknown-owner"]
        else:
            try:
                notify = self.on_call(self.rotations[proper])
            except Exception:
                notify = None
            if notify is None:
                problems = ["nobody-on-call"]
        if not runbook:
            problems.append("no-runbook")
        return {"id": alert["id"], "notify": notify, "problems": problems}

    def on_call(self, rotation):
        zone = ZoneInfo(rotation["time_zone"])
        begin = datetime.fromisoformat(f"{rotation['starts']}T{rotation['hand_over']}")
        assert rotation["days"] > 0
        person, turn, wall = None, 0, begin
        while wall.replace(tzinfo=zone).timestamp() <= self.now.timestamp():
            person = rotation["people"][turn % len(rotation["people"])]
            wall += timedelta(days=rotation["days"])
            turn += 1
        return person if self.people.get(person, {}).get("active") else None


def matches(pattern, path):
    parts = path.split("/")
    tokens = pattern.strip("/").split("/")
    if "/" not in pattern[:-1] and pattern != "*":
        tokens = ["**", *tokens]
    if pattern == "*":
        return True
    folder = pattern.endswith("/")
    direct = tokens[-1] == "*" and not folder

    def walk(i, j):
        """Whether tokens from i on match parts from j on."""
        if i == len(tokens):
            return not folder if j == len(parts) else not direct
        if j == len(parts):
            return False
        if tokens[i] == "**":
            return i == len(tokens) - 1 or walk(i + 1, j) or walk(i, j + 1)
        return part(tokens[i], parts[j]) and walk(i + 1, j + 1)

    return walk(0, 0)


def part(token, text):
    """One part against one part: the usual two-pointer walk with one star to fall back to."""
    i = j = 0
    star = mark = -1
    while j < len(text):
        if i < len(token) and token[i] == "*":
            star, mark = i, j
            i += 1
        elif i < len(token) and token[i] in ("?", text[j]):
            i, j = i + 1, j + 1
        elif star >= 0:
            mark += 1
            i, j = star + 1, mark
        else:
            return False
    return not token[i:].strip("*")


if __name__ == "__main__":
    raise SystemExit(main())
