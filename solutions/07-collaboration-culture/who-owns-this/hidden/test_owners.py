"""Made-up repositories and organisations, drawn anew for every behaviour."""

import copy
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from grader.judge import Finished, Submission, expect

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
WRITES = ("write", "maintain", "admin")
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/London")
NOW = "2026-06-10T12:00:00Z"
STRANGER = "@nightjar"  # in no organisation

BIRDS = [
    "avocet", "bittern", "bunting", "chough", "coot", "crake", "curlew", "dipper", "dunlin",
    "eider", "finch", "fulmar", "gannet", "godwit", "grebe", "heron", "ibis", "jackdaw", "kestrel",
    "kite", "knot", "lapwing", "linnet", "merlin", "oriole", "osprey", "ouzel", "pipit", "plover",
    "puffin", "rail", "reeve", "ruff", "shrike", "siskin", "skua", "snipe", "stint", "tern",
    "wagtail", "whimbrel", "wren",
]  # fmt: skip
WORDS = [
    "batch", "billing", "cards", "cache", "claims", "config", "drift", "events", "export", "feeds",
    "fields", "fraud", "gates", "import", "ledger", "limits", "loader", "lookup", "models",
    "offers", "orders", "parser", "pricing", "ranks", "reports", "risk", "rules", "scores",
    "search", "serving", "shares", "signals", "stores", "tables", "tokens", "traces", "vector",
    "windows",
]  # fmt: skip


# ---------------------------------------------------------------------------- made-up inputs


@dataclass
class World:
    """All inputs of one run."""

    rng: np.random.Generator
    people: dict[str, Any] = field(default_factory=dict)
    teams: dict[str, Any] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    rotations: dict[str, Any] = field(default_factory=dict)
    author: str = STRANGER
    files: list[dict[str, str]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    now: str = NOW
    rules: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._birds = self.rng.permutation(BIRDS).tolist()
        self._words = self.rng.permutation(WORDS).tolist()
        self.org = f"@{self.word()}-labs"

    def word(self) -> str:
        """A word that nothing else in this world is called."""
        return str(self._words.pop())

    def person(self, *, active: bool = True, access: str | None = None) -> str:
        name = f"@{self._birds.pop()}"
        self.people[name] = {"active": active}
        if access:
            self.access[name] = access
        return name

    def team(
        self, *members: str, access: str | None = "write", parent: str | None = None, name: str = ""
    ) -> str:
        name = name or self.gone()
        self.teams[name] = {"parent": parent, "members": list(members)}
        if access:
            self.access[name] = access
        return name

    def staffed(self, size: int = 2) -> str:
        """A team that counts, of active people."""
        return self.team(*(self.person() for _ in range(size)))

    def members(self, team: str) -> set[str]:
        return set(self.teams[team]["members"])

    def gone(self) -> str:
        """The name of a team that is not there."""
        return f"{self.org}/{self.word()}"

    def rotate(self, team: str, *people: str, **other: Any) -> str:
        self.rotations[team] = {
            "time_zone": "Europe/Berlin",
            "starts": "2026-01-05",
            "hand_over": "09:00",
            "days": 7,
            "people": list(people),
        } | other
        return team

    def alert(self, **fields: Any) -> dict[str, Any]:
        name = f"{self.word()}-{self.rng.integers(100, 1000)}"
        return {"id": name, "runbook": f"https://wiki.example/{name}"} | fields

    def owned_alert(self, **other: Any) -> dict[str, Any]:
        """An alert without a finding, unless `other` makes one."""
        person = self.person()
        return self.alert(owner=self.rotate(self.team(person), person)) | other

    def change(self, *paths: str) -> None:
        self.files = [{"path": path} for path in paths]

    def written(self) -> dict[str, str]:
        """The input files but for CODEOWNERS."""
        names = ("people", "teams", "access", "rotations")
        return {
            "repo/setup.cfg": "[metadata]\n",
            "org.json": json.dumps({name: getattr(self, name) for name in names}),
            "change.json": json.dumps({"author": self.author, "files": self.files}),
            "alerts.json": json.dumps(self.alerts),
        }


def arguments(now: str = NOW, **other: str) -> list[str]:
    values = {
        "repo": "repo",
        "org": "org.json",
        "change": "change.json",
        "alerts": "alerts.json",
        "now": now,
        "out": "report.json",
    } | other
    return [part for name, value in values.items() for part in (f"--{name}", value)]


# ---------------------------------------------------------------------------- reports


@dataclass
class Report:
    code: int
    codeowners: str | None
    problems: set[tuple[int, str, str]]
    paths: dict[str, tuple[str, int | None, frozenset[str]]]
    alerts: dict[str, tuple[str | None, frozenset[str]]]


def run(submission: Submission, world: World, given: str = "") -> Report:
    """Writes the inputs, calls main() and takes the report apart."""
    given = given or f"{quoted(world.rules)}; all inputs have the form that the interface names"
    return run_beside(submission, world, {PLACES[0]: "\n".join(world.rules) + "\n"}, given)


def run_beside(
    submission: Submission, world: World, codeowners: dict[str, str], given: str
) -> Report:
    """The same with these CODEOWNERS files, besides those that are there already."""
    files = {f"repo/{place}": text for place, text in codeowners.items()}
    submission.write(world.written() | files | {"report.json": ""})
    code = submission.call("owners.__main__:main", arguments(world.now))
    printed = submission.log().strip().rpartition("\n")[2][:200]
    expect(
        type(code) is int and code in (0, 1),
        observed=f"main([...]) returned {code}; it printed: {printed or '(nothing)'}",
        expected="exit code 0 or 1",
        given=given,
    )
    return taken_apart(submission, code)


def taken_apart(submission: Submission, code: int) -> Report:
    body = submission.json("report.json")
    shape(isinstance(body, dict), body, "an object")
    for name in ("problems", "paths", "alerts"):
        entries = body.get(name)
        fit = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
        shape(fit, entries, f"`{name}`, a list of objects")
    place = body.get("codeowners", 0)
    shape(place is None or type(place) is str, place, "`codeowners`, a path or null")
    problems = set()
    for entry in body["problems"]:
        line, kind, what = (entry.get(name) for name in ("line", "kind", "what"))
        fit = type(line) is int and type(kind) is str and type(what) is str
        shape(fit, entry, "problems with `line` (whole number), `kind` and `what` (text)")
        problems.add((line, kind, what))
    paths = {}
    for entry in body["paths"]:
        path, line, state = (entry.get(name) for name in ("path", "line", "state"))
        fit = type(path) is str and type(state) is str and (line is None or type(line) is int)
        fit = fit and unique_texts(entry.get("reviewers"))
        shape(fit, entry, "paths with `path`, `line`, `state` and `reviewers` (each once)")
        shape(path not in paths, f"two entries for {path}", "one entry for each path")
        paths[path] = (state, line, frozenset(entry["reviewers"]))
    alerts = {}
    for entry in body["alerts"]:
        name, notify = entry.get("id"), entry.get("notify", 0)
        fit = type(name) is str and (notify is None or type(notify) is str)
        fit = fit and unique_texts(entry.get("problems"))
        shape(fit, entry, "alerts with `id`, `notify` (text or null) and `problems` (each once)")
        shape(name not in alerts, f"two entries for {name}", "one entry for each alert")
        alerts[name] = (notify, frozenset(entry["problems"]))
    return Report(code, place, problems, paths, alerts)


def unique_texts(value: object) -> bool:
    return (
        isinstance(value, list)
        and all(type(text) is str for text in value)
        and len(set(value)) == len(value)
    )


def shape(fit: bool, seen: object, wanted: str) -> None:
    observed = seen if isinstance(seen, str) else json.dumps(seen)
    expect(fit, observed=f"the report has {observed[:300]}", expected=wanted)


def expect_path(
    report: Report, path: str, state: str, line: int | None, people: set[str], given: str
) -> None:
    known = ", ".join(sorted(report.paths)[:8]) or "no path"
    found = report.paths.get(path)
    expect(
        found == (state, line, frozenset(people)),
        observed=f"{path}: {told_path(*found)}" if found else f"{path} is missing among {known}",
        expected=told_path(state, line, frozenset(people)),
        given=given,
    )


def told_path(state: str, line: int | None, people: frozenset[str]) -> str:
    where = "no line" if line is None else f"line {line}"
    return f"{state}, {where}, reviewers {', '.join(sorted(people)) or '(none)'}"


def expect_alert(
    report: Report, alert: dict[str, Any], notify: str | None, problems: set[str], given: str
) -> None:
    known = ", ".join(sorted(report.alerts)[:8]) or "no alert"
    found = report.alerts.get(alert["id"])
    expect(
        found == (notify, frozenset(problems)),
        observed=told_alert(*found) if found else f"{alert['id']} is missing among {known}",
        expected=told_alert(notify, frozenset(problems)),
        given=given,
    )


def told_alert(notify: str | None, problems: frozenset[str]) -> str:
    return f"notifies {notify or 'nobody'}, problems: {', '.join(sorted(problems)) or '(none)'}"


def expect_problems(report: Report, wanted: set[tuple[int, str, str]], given: str) -> None:
    missing, extra = sorted(wanted - report.problems), sorted(report.problems - wanted)
    expect(
        not missing and not extra,
        observed=f"missing: {told_problems(missing)}; too many: {told_problems(extra)}",
        expected=f"these problems: {told_problems(sorted(wanted))}",
        given=given,
    )


def told_problems(problems: list[tuple[int, str, str]]) -> str:
    return ", ".join(f"line {line} {kind} {what}" for line, kind, what in problems) or "(none)"


def expect_code(code: int, wanted: int, given: str) -> None:
    expect(
        code == wanted, observed=f"exit code {code}", expected=f"exit code {wanted}", given=given
    )


def expect_exit(done: Finished, wanted: int, given: str) -> None:
    expect(
        done.exit_code == wanted,
        observed=f"exit code {done.exit_code}; standard error: {done.last_lines or '(nothing)'}",
        expected=f"exit code {wanted}",
        given=given,
    )


def quoted(rules: list[str]) -> str:
    return "CODEOWNERS: " + " | ".join(rules)


# ---------------------------------------------------------------------------- the incident


def test_alert_owners(submission, rng):
    world = World(rng)
    person = world.person(access="write")
    team = world.rotate(world.team(person), person)
    gone = world.rotate(world.gone(), person)
    platform = world.rotate(world.team(person, name=f"{world.org}/platform"), person)
    for name in ("@northgrid/platform", world.org + "/default"):
        world.rotate(world.team(person, name=name), person)
    blank = str(rng.choice(["", "   "]))
    without = world.alert()
    del without["runbook"]
    cases = [
        (world.alert(), None, {"no-owner"}, "an alert without `owner`"),
        (world.alert(owner=None), None, {"no-owner"}, "an alert whose owner is null"),
        (world.alert(owner=blank), None, {"no-owner"}, f"an alert whose owner is {blank!r}"),
        (
            world.alert(owner=gone),
            None,
            {"unknown-owner"},
            "an alert of a team that is not in `teams`, though a rotation of it is left",
        ),
        (world.alert(owner=person), None, {"unknown-owner"}, "an alert owned by a person"),
        (without, None, {"no-owner", "no-runbook"}, "an alert without owner and runbook"),
        (
            world.alert(owner=team, runbook=blank),
            person,
            {"no-runbook"},
            f"an alert of a team with a rotation, its runbook {blank!r}",
        ),
        (
            world.alert(owner=gone, runbook=None),
            None,
            {"unknown-owner", "no-runbook"},
            "an alert of a team that is not in `teams`, its runbook null",
        ),
        (world.alert(owner=platform), person, set(), "an alert in good order"),
    ]
    world.alerts = [cases[i][0] for i in rng.permutation(len(cases))]
    report = run(submission, world)
    for alert, notify, problems, given in cases:
        expect_alert(report, alert, notify, problems, given)


def test_dead_rotation(submission, rng):
    world = World(rng)
    left, here, other = world.person(active=False), world.person(), world.person()
    order = [left, here, other]
    days, begins = int(rng.integers(1, 15)), date(2026, 5, 1)
    rotation = {"starts": str(begins), "days": days}
    team = world.rotate(world.team(here, other), *order, **rotation)
    strange = world.rotate(world.team(here), STRANGER, here, **rotation)
    later = world.rotate(world.team(here), here, starts="2026-12-01")
    child = world.team(here, parent=world.rotate(world.team(here), here))
    alerts = {name: world.alert(owner=name) for name in (team, strange, later, child)}
    world.alerts = list(alerts.values())
    nobody = (None, {"nobody-on-call"})
    for turn in range(6):
        day = begins + timedelta(days=turn * days + int(rng.integers(days)))
        world.now = f"{day}T12:00:00+02:00"
        report = run(submission, world)
        person = order[turn % 3]
        for name, wanted, given in (
            (
                team,
                nobody if person == left else (person, set()),
                f"a rotation of {', '.join(order)} in turn {turn + 1}; {left} has left",
            ),
            (
                strange,
                nobody if turn % 2 == 0 else (here, set()),
                f"a rotation of {STRANGER} and {here} in turn {turn + 1}; {STRANGER} is not in "
                "`people`",
            ),
            (later, nobody, "a rotation that begins in December; it is summer"),
            (child, nobody, "a team without a rotation of its own, below a team that has one"),
        ):
            expect_alert(report, alerts[name], *wanted, given)


def test_dead_owners_named(submission, rng):
    world = World(rng)
    left = world.person(active=False, access="write")
    reader = world.person(access=str(rng.choice(["read", "triage"])))
    dead = [
        (left, "nobody-left"),
        (reader, "no-write-access"),
        (world.person(), "no-write-access"),
        (world.team(), "nobody-left"),
        (world.team(left), "nobody-left"),
        (world.team(world.person(), access="read"), "no-write-access"),
        (world.gone(), "unknown-owner"),
        (STRANGER, "unknown-owner"),
    ]
    team, maintainer = world.staffed(), world.person(access="maintain")
    world.rules = [f"* {team}", "# who else?"]
    wanted = set()
    for i in rng.permutation(len(dead)):
        owner, kind = dead[i]
        others = [[], [team], [team, maintainer]][int(rng.integers(3))]
        owners = [owner, *others] if rng.random() < 0.5 else [*others, owner]
        world.rules.append(f"/part-{i}/ {' '.join(owners)}")
        wanted.add((len(world.rules), kind, owner))
    world.rules.append(f"/last/ {team} {maintainer}")
    world.change("last/one.py")
    report = run(submission, world)
    expect_problems(report, wanted, "rules whose owners have left, cannot write or never were")
    expect_code(report.code, 1, "rules with such owners, which the change does not touch")


def test_dead_rule_decides(submission, rng):
    world = World(rng)
    left = world.person(active=False, access="write")
    reads = world.team(world.person(), access="read")
    dead = [left, reads, world.gone(), world.team(left)]
    fine, alive = world.staffed(), world.person(access="admin")
    folder, mixed = world.word(), world.word()
    chosen = [str(owner) for owner in rng.permutation(dead)[: int(rng.integers(1, 5))]]
    world.rules = [
        f"* {fine}",
        f"/{folder}/ {fine} {alive}",
        f"/{folder}/deep/ {' '.join(chosen)}",
        f"/{mixed}/ {chosen[0]} {alive}",
    ]
    world.change(f"{folder}/deep/a.py", f"{folder}/b.py", f"{mixed}/c.py")
    report = run(submission, world)
    given = f"{quoted(world.rules)}; {', '.join(chosen)}: left, gone, empty or without write access"
    expect_path(report, f"{folder}/deep/a.py", "stranded", 3, set(), given)
    expect_path(report, f"{mixed}/c.py", "covered", 4, {alive}, given)
    people = world.members(fine) | {alive}
    expect_path(report, f"{folder}/b.py", "covered", 2, people, given)


def test_last_rule_decides(submission, rng):
    world = World(rng)
    folder, name = world.word(), world.word()
    path = f"{folder}/{name}.py"
    patterns = ["*", "*.py", f"/{folder}/", f"{folder}/", f"/{path}", f"{name}.py", f"**/{name}.py"]
    owners = [world.person(access="write") for _ in patterns]
    for _ in range(4):
        order = rng.permutation(len(patterns))[: int(rng.integers(2, len(patterns) + 1))]
        world.rules = [f"{patterns[i]} {owners[i]}" for i in order]
        world.rules.append(f"/elsewhere/ {owners[0]}")
        world.change(path)
        report = run(submission, world)
        last = owners[int(order[-1])]
        expect_path(report, path, "covered", len(order), {last}, quoted(world.rules))


# ---------------------------------------------------------------------------- neighbours


def test_cleared_is_not_unmatched(submission, rng):
    world = World(rng)
    team, again = world.staffed(), world.staffed()
    folder, inner = world.word(), world.word()
    bare = f"/{folder}/{inner}/" + str(rng.choice(["", "   ", "  # made by a machine"]))
    world.rules = [f"/{folder}/ {team}", bare, f"*.sql {again}"]
    cleared, owned = f"{folder}/{inner}/schema.py", f"{folder}/{inner}/q.sql"
    world.change(cleared, owned, f"{folder}/a.py")
    report = run(submission, world)
    given = quoted(world.rules)
    expect_path(report, cleared, "cleared", 2, set(), given)
    expect_path(report, owned, "covered", 3, world.members(again), given)
    expect_path(report, f"{folder}/a.py", "covered", 1, world.members(team), given)
    expect_code(report.code, 0, f"{given}; ownership is cleared on purpose, all else is covered")
    world.change(cleared, "setup.cfg")
    report = run(submission, world)
    expect_path(report, "setup.cfg", "unmatched", None, set(), given)
    expect_path(report, cleared, "cleared", 2, set(), given)
    expect_code(report.code, 1, f"{given}; setup.cfg is changed, which no rule matches")


def test_pattern_forms(submission, rng):
    world = World(rng)
    a, b, c, d = (world.word() for _ in range(4))
    team = world.staffed()
    cases = [
        ("*", [a, f"{a}/{b}/{c}.py", f".{d}/x"], []),
        (f"*.{a}", [f"x.{a}", f"{b}/{c}/x.{a}", f".{a}", f"{b}/.{a}", f"x.{a}/{b}"],
         [f"{b}.py", f"x.{a}x", f"x{a}"]),
        (a, [a, f"{b}/{a}", f"{a}/x.py", f"{b}/{a}/{c}/x.py"], [f"{a}.py", f"x{a}", f"{b}/{a}s"]),
        (f"{a}/", [f"{a}/x.py", f"{b}/{a}/{c}/x.py"], [a, f"{b}/{a}", f"x{a}/y"]),
        (f"/{a}/", [f"{a}/x.py", f"{a}/{b}/{c}.py"], [a, f"{b}/{a}/x.py", f"{a}s/x.py"]),
        (f"/{a}", [a, f"{a}/x.py", f"{a}/{b}/c.py"], [f"{b}/{a}", f"{a}.py", f"{b}/{a}/c"]),
        (f"{a}/{b}", [f"{a}/{b}", f"{a}/{b}/{c}/x.py"], [f"{c}/{a}/{b}", f"{a}/x", f"{a}/x/{b}"]),
        (f"{a}/{b}/", [f"{a}/{b}/x", f"{a}/{b}/{c}/x"], [f"{a}/{b}", f"{d}/{a}/{b}/x"]),
        (f"{a}/*", [f"{a}/x.py", f"{a}/.hidden"], [f"{a}/{b}/x.py", f"{b}/{a}/x.py", a]),
        ("/*", ["x.py", a], [f"{a}/x.py", f"{a}/{b}/x.py"]),
        (f"/{a}/*.py", [f"{a}/x.py", f"{a}/.py"], [f"{a}/{b}/x.py", f"{a}/x.pyi", "x.py"]),
        (f"**/{a}", [a, f"{b}/{a}", f"{b}/{c}/{a}/x.py"], [f"{b}/x{a}", f"{a}s"]),
        (f"{a}/**/{b}.py", [f"{a}/{b}.py", f"{a}/{c}/{b}.py", f"{a}/{c}/{d}/{b}.py"],
         [f"{b}.py", f"{a}/x{b}.py", f"{d}/{a}/{b}.py", f"{a}{c}/{b}.py"]),
        (f"{a}/**", [f"{a}/x", f"{a}/{b}/{c}/x.py"], [a, f"{b}/{a}/x", f"{a}s/x"]),
        (f"/{a}/*/{b}.py", [f"{a}/x/{b}.py"], [f"{a}/{b}.py", f"{a}/{c}/{d}/{b}.py"]),
        (f"v?-{a}.py", [f"v1-{a}.py", f"{b}/vx-{a}.py"],
         [f"v-{a}.py", f"v12-{a}.py", f"v/-{a}.py"]),
        (f"{a}+({b}).py", [f"{a}+({b}).py"], [f"{a}{a}{b}.py", f"{a}({b}).py"]),
        (f"{a}.py", [f"{a}.py", f"{b}/{a}.py"], [f"{a}xpy", f"{a}.py.orig"]),
    ]  # fmt: skip
    for pattern, hits, misses in cases:
        world.rules = [f"{pattern} {team}"]
        world.change(*hits, *misses)
        report = run(submission, world)
        for path in hits + misses:
            state = report.paths[path][0] if path in report.paths else "missing in the report"
            expect(
                state == ("covered" if path in hits else "unmatched"),
                observed=f"{path} is {state}",
                expected="covered" if path in hits else "unmatched",
                given=f"the pattern {pattern}, alone in CODEOWNERS",
            )


def test_invalid_lines(submission, rng):
    world = World(rng)
    everything, other = world.staffed(), world.staffed()
    a, b, c, d = (world.word() for _ in range(4))
    stranger = str(rng.choice([d, f"{world.org[1:]}/{d}"]))
    invalid = [
        (f"!{a}.py {other}", "invalid-pattern", f"!{a}.py"),
        (f"!/{c}/", "invalid-pattern", f"!/{c}/"),
        (f"{b}[12].py {other}", "invalid-pattern", f"{b}[12].py"),
        (f"/{c}/[a-z]*.py {world.gone()}", "invalid-pattern", f"/{c}/[a-z]*.py"),
        (rf"\#{a} {other}", "invalid-pattern", rf"\#{a}"),
        (f"/{d}/ {other} {stranger}", "invalid-owner", stranger),
    ]
    world.rules = [f"* {everything}"]
    wanted = set()
    for i in rng.permutation(len(invalid)):
        line, kind, what = invalid[i]
        world.rules.append(line)
        wanted.add((len(world.rules), kind, what))
    paths = [f"{a}.py", f"{b}1.py", f"{b}[12].py", f"{c}/x.py", f"#{a}", f"{d}/x.py", f"!{a}.py"]
    world.change(*paths)
    report = run(submission, world)
    given = quoted(world.rules)
    for path in paths:
        expect_path(report, path, "covered", 1, world.members(everything), given)
    expect_problems(report, wanted, given)


def test_first_file(submission, rng):
    # From the last place to the first: what was written stays for the next round.
    world = World(rng)
    world.change("a.py")
    given = "a repository without CODEOWNERS"
    report = run_beside(submission, world, {}, given)
    expect_place(report, None, given)
    expect_path(report, "a.py", "unmatched", None, set(), given)
    expect_code(report.code, 1, given)
    there: list[str] = []
    for place in reversed(PLACES):
        there.append(place)
        person = world.person(access="write")
        given = f"CODEOWNERS files at {', '.join(there)}"
        report = run_beside(submission, world, {place: f"* {person}\n"}, given)
        expect_place(report, place, given)
        expect_path(report, "a.py", "covered", 1, {person}, given)
    for text in ("", "# moved\n"):
        given = f"CODEOWNERS files at {', '.join(there)}, the last of which " + (
            "holds only a comment" if text else "is empty"
        )
        report = run_beside(submission, world, {PLACES[0]: text}, given)
        expect_place(report, PLACES[0], given)
        expect_path(report, "a.py", "unmatched", None, set(), given)


def expect_place(report: Report, place: str | None, given: str) -> None:
    expect(
        report.codeowners == place,
        observed=f"`codeowners` is {json.dumps(report.codeowners)}",
        expected=json.dumps(place),
        given=given,
    )


def test_write_access(submission, rng):
    world = World(rng)
    good, poor = str(rng.choice(WRITES)), str(rng.choice(["read", "triage"]))
    writer, reader, own = (world.person(access=level) for level in (good, poor, "admin"))
    top = world.team(access=good)
    middle = world.team(access=None, parent=top)
    below = world.person(access=poor)
    bottom = world.team(below, access=poor, parent=middle)
    reads = world.team(own, writer, access=poor)
    bare = world.team(own, access=None)
    above_person = world.person()
    above = world.team(above_person, access=None)
    child = world.staffed()
    world.teams[child]["parent"] = above
    orphan = world.team(world.person(), access=good, parent=world.gone())
    cases = [
        (bottom, {below}, f"a team with {poor!r}, two levels below a team that may write"),
        (below, {below}, f"a person with {poor!r}, in a team below one that may write"),
        (writer, {writer}, f"a person with {good!r}"),
        (reader, set(), f"a person with {poor!r}"),
        (reads, set(), f"a team with {poor!r}, whose members may write for other reasons"),
        (bare, set(), "a team without access, whose member is an admin"),
        (above, set(), "a team without access, above a team that has it"),
        (above_person, set(), "a person in a team without access, above a team that has it"),
        (child, world.members(child), "a team that may write, below one that may not"),
        (orphan, world.members(orphan), "a team that may write, its parent no longer there"),
        *(
            (person, {person}, f"a person with {level!r}")
            for level in WRITES
            for person in [world.person(access=level)]
        ),
    ]
    world.rules = [f"/part-{i}/ {owner}" for i, (owner, _, _) in enumerate(cases)]
    world.change(*(f"part-{i}/x.py" for i in range(len(cases))))
    report = run(submission, world)
    wanted = set()
    for i, (owner, people, given) in enumerate(cases):
        state = "covered" if people else "stranded"
        given = f"CODEOWNERS: {world.rules[i]}, in line {i + 1}; the owner is {given}"
        expect_path(report, f"part-{i}/x.py", state, i + 1, people, given)
        if not people:
            wanted.add((i + 1, "no-write-access", owner))
    expect_problems(report, wanted, "owners with and without write access")


def test_author_does_not_count(submission, rng):
    world = World(rng)
    author, other = world.person(access="write"), world.person(access="write")
    alone, pair = world.team(author), world.team(author, other)
    world.rules = [f"/a/ {author}", f"/b/ {alone}", f"/c/ {author} {other}", f"/d/ {pair}"]
    world.change(*(f"{folder}/x.py" for folder in "abcd"))
    world.author = author
    report = run(submission, world)
    given = f"{quoted(world.rules)}; {author} is the author, {alone} is {author} alone, " + (
        f"{pair} is {author} and {other}"
    )
    for line, folder in enumerate("abcd", 1):
        people = {other} if folder in "cd" else set()
        state = "covered" if people else "stranded"
        expect_path(report, f"{folder}/x.py", state, line, people, given)
    expect_problems(report, set(), f"{given}: the owners themselves are in order")
    expect_code(report.code, 1, given)


def test_both_ends_of_a_rename(submission, rng):
    world = World(rng)
    old, new = world.staffed(), world.staffed()
    a, b = world.word(), world.word()
    world.rules = [f"/{a}/ {old}", f"/{b}/ {new}"]
    world.files = [
        {"path": f"{b}/one.py", "previous": f"{a}/one.py"},
        {"path": f"{b}/two.py", "previous": f"{a}/three.py"},
        {"path": f"{a}/three.py"},
    ]
    report = run(submission, world)
    given = (
        f"{quoted(world.rules)}; {a}/one.py became {b}/one.py, {a}/three.py became {b}/two.py, "
        f"and there is a new {a}/three.py"
    )
    for path, line, team in (
        (f"{b}/one.py", 2, new),
        (f"{a}/one.py", 1, old),
        (f"{b}/two.py", 2, new),
        (f"{a}/three.py", 1, old),
    ):
        expect_path(report, path, "covered", line, world.members(team), given)
    world.files = [{"path": f"{b}/one.py", "previous": "unowned.py"}]
    report = run(submission, world)
    given = f"{quoted(world.rules)}; unowned.py became {b}/one.py"
    expect_path(report, "unowned.py", "unmatched", None, set(), given)
    expect_code(report.code, 1, given)


def test_case(submission, rng):
    world = World(rng)
    a, b = world.word(), world.word()
    person = f"@Mc{world.word().title()}"
    world.people[person] = {"active": True}
    world.access[person] = "write"
    author, rotating = world.person(), world.person()
    team = world.team(author, rotating, name=f"{world.org}/{a.title()}")
    world.rotate(team, rotating)
    world.rules = [f"/{a.title()}/ {person.swapcase()}", f"*.{b.upper()} {team.swapcase()}"]
    world.author = author.upper()
    hits = {f"{a.title()}/x": (1, {person}), f"x.{b.upper()}": (2, {rotating})}
    misses = [f"{a}/x", f"{a.upper()}/x", f"x.{b}", f"x.{b.title()}"]
    world.change(*hits, *misses)
    alert = world.alert(owner=team.swapcase())
    world.alerts = [alert]
    report = run(submission, world)
    given = (
        f"{quoted(world.rules)}; in org.json they are {person} and {team} with the members "
        f"{author}, {rotating}; the author is {world.author}"
    )
    for path, (line, people) in hits.items():
        expect_path(report, path, "covered", line, people, given)
    for path in misses:
        expect_path(report, path, "unmatched", None, set(), given)
    expect_problems(report, set(), given)
    given = f"an alert of {alert['owner']}, which is {team} in org.json"
    expect_alert(report, alert, rotating, set(), given)


def test_nested_teams(submission, rng):
    world = World(rng)
    p, q, r, s, t = (world.person() for _ in range(5))
    top = world.team(p)
    middle = world.team(world.person(active=False), access=None, parent=top)
    bottom = world.team(q, r, access=None, parent=middle)
    side = world.team(access=None, parent=top)
    one, two = world.gone(), world.gone()
    world.team(s, name=one, parent=two, access="write")
    world.team(t, name=two, parent=one, access=None)
    own = world.team(p, q)
    world.teams[own]["parent"] = own
    cases = [
        (top, {p, q, r}, "a team of one, two levels above a team of two"),
        (middle, {q, r}, "a team whose one member has left, above a team of two"),
        (bottom, {q, r}, "a team of two, below teams with other members"),
        (side, set(), "a team without people, below a team that has some"),
        (one, {s, t}, "one of two teams that are each other's parent"),
        (two, {s, t}, "the other of two teams that are each other's parent"),
        (own, {p, q}, "a team that is its own parent"),
    ]
    world.rules = [f"/part-{i}/ {owner}" for i, (owner, _, _) in enumerate(cases)]
    world.change(*(f"part-{i}/x.py" for i in range(len(cases))))
    report = run(submission, world)
    for i, (_, people, given) in enumerate(cases):
        state = "covered" if people else "stranded"
        given = f"CODEOWNERS: {world.rules[i]}, in line {i + 1}; the owner is {given}"
        expect_path(report, f"part-{i}/x.py", state, i + 1, people, given)
    expect_problems(report, {(4, "nobody-left", side)}, "nested teams that may all write")


def test_hand_over(submission, rng):
    world = World(rng)
    people = [world.person() for _ in range(int(rng.integers(2, 5)))]
    team = world.team(*people)
    alert = world.alert(owner=team)
    world.alerts = [alert]
    for zone in ZONES:
        days = int(rng.integers(1, 15))
        starts = date(2026, int(rng.choice([1, 7])), int(rng.integers(3, 20)))
        hour = time(int(rng.integers(6, 22)), int(rng.choice([0, 15, 30])))
        told = {"time_zone": zone, "starts": str(starts), "hand_over": f"{hour:%H:%M}"}
        world.rotate(team, *people, days=days, **told)
        told = f"{', '.join(people)} take turns in {zone} every {days} days since {starts} {hour}"
        # The first shift, one in the other half of the year, one in a later year.
        turns = [0, int(rng.integers(130, 170)) // days, int(rng.integers(500, 560)) // days]
        for turn in turns:
            local = datetime.combine(starts + timedelta(days=turn * days), hour, ZoneInfo(zone))
            for minutes in (-int(rng.integers(1, 55)), 0, int(rng.integers(1, 55))):
                offset = timezone(timedelta(hours=int(rng.integers(-10, 12))))
                world.now = (local.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(
                    offset
                ).isoformat()  # fmt: skip
                ended = turn + (minutes >= 0)
                wanted = (people[(ended - 1) % len(people)], set())
                report = run(submission, world)
                expect_alert(
                    report,
                    alert,
                    *(wanted if ended else (None, {"nobody-on-call"})),
                    given=f"{told}; it is {world.now}, {abs(minutes)} minutes "
                    f"{'before' if minutes < 0 else 'after'} {local:%Y-%m-%d %H:%M} there",
                )


# ---------------------------------------------------------------------------- faults


def test_broken_rotation(submission, rng):
    world = World(rng)
    fine = [world.owned_alert() for _ in range(3)]
    broken = []
    for what in (
        {"time_zone": "Mars/Olympus"},
        {"people": []},
        {"days": 0},
        {"starts": "soon"},
        {"hand_over": "25:00"},
    ):
        alert = world.owned_alert()
        world.rotations[alert["owner"]] |= what
        broken.append((alert, f"its team's rotation has {json.dumps(what)}"))
    alert = world.owned_alert()
    missing = str(rng.choice(["time_zone", "people", "days", "starts", "hand_over"]))
    del world.rotations[alert["owner"]][missing]
    broken.append((alert, f"its team's rotation lacks {missing!r}"))
    alerts = [*fine, *(alert for alert, _ in broken)]
    world.alerts = [alerts[i] for i in rng.permutation(len(alerts))]
    report = run(submission, world, f"{len(fine)} sound rotations, and {len(broken)} broken ones")
    for alert, given in broken:
        expect_alert(report, alert, None, {"nobody-on-call"}, given)
    for alert in fine:
        (person,) = world.members(alert["owner"])
        expect_alert(report, alert, person, set(), "a sound rotation beside broken ones")


def test_comments_and_line_ends(submission, rng):
    world = World(rng)
    first, second, third = (world.staffed(1) for _ in range(3))
    a, b = world.word(), world.word()
    lines = [
        "# owners of the payment service",
        "",
        f"*\t{first}",
        f"   /{a}/   {second}\t# was {world.gone()}",
        "   \t ",
        f"{b}#1.md {third} #{world.gone()}",
        f"  # /{a}/ {third}",
    ]
    world.change("x.py", f"{a}/x.py", f"{b}#1.md")
    wanted = [("x.py", 3, first), (f"{a}/x.py", 4, second), (f"{b}#1.md", 6, third)]
    for end, tail in (("\n", ""), ("\r\n", "\r\n")):
        given = f"{quoted(lines)} with line ends {end!r}"
        report = run_beside(submission, world, {PLACES[0]: end.join(lines) + tail}, given)
        for path, line, team in wanted:
            expect_path(report, path, "covered", line, world.members(team), given)
        expect_problems(report, set(), given)


def test_bad_input(submission, rng):
    world = World(rng)
    world.rules = [f"* {world.staffed()}"]
    world.change("a.py")
    sound = world.written() | {f"repo/{PLACES[0]}": world.rules[0]}
    org, files = json.loads(sound["org.json"]), world.files
    part = str(rng.choice(list(org)))
    del org[part]
    change = [{"files": files}, {"author": STRANGER}][int(rng.integers(2))]
    cases = [
        ({"org": "gone/org.json"}, "", "a file that is not there"),
        ({"org": "half.json"}, sound["org.json"][:-9], "a file that breaks off"),
        ({"org": "less.json"}, json.dumps(org), f"a file without {part!r}"),
        ({"change": "who.json"}, json.dumps(change), f"a file with {', '.join(change)} alone"),
        ({"alerts": "odd.json"}, json.dumps({"alerts": []}), "a file with an object in it"),
        ({"repo": "no-such-repo"}, "", "a folder that is not there"),
        ({"now": "2026-06-10T12:00:00"}, "", "a time without an offset"),
        ({"now": "tomorrow"}, "", "'tomorrow'"),
    ]
    yesterday = f"yesterday's report, {rng.integers(10**6)}\n"
    submission.write(sound)
    for other, text, what in cases:
        ((option, value),) = other.items()
        written = {value: text} if text else {}
        submission.write(written | {"report.json": yesterday})
        done = submission.run(["python", "-m", "owners", *arguments(**other)])
        given = f"--{option} is {what}"
        expect_exit(done, 2, given)
        name = f"--{option}" if option == "now" else value
        expect(
            name in done.stderr and "Traceback" not in done.stderr,
            observed=f"exit code 2; standard error: {done.last_lines or '(nothing)'}",
            expected=f"a message with {name!r} in it, and no traceback",
            given=given,
        )
        expect(
            submission.text("report.json") == yesterday,
            observed="report.json has changed",
            expected="yesterday's report",
            given=given,
        )


# ---------------------------------------------------------------------------- of use


def healthy(rng: np.random.Generator) -> tuple[World, dict[str, tuple[str, int, set[str]]]]:
    """A world without findings, and what is to be said about its paths."""
    world = World(rng)
    everything = world.staffed()
    world.rules = [f"* {everything}"]
    expected = {"setup.cfg": ("covered", 1, world.members(everything))}
    for _ in range(3):
        folder, team, person = world.word(), world.staffed(), world.person(access="write")
        world.rules.append(f"/{folder}/ {team} {person}")
        people = world.members(team) | {person}
        expected[f"{folder}/deep/x.py"] = ("covered", len(world.rules), people)
    world.rules.append("/generated/")
    expected["generated/y.py"] = ("cleared", len(world.rules), set())
    world.change(*expected)
    world.author = str(rng.choice(list(world.people)))
    for _, _, people in expected.values():
        people.discard(world.author)
    world.alerts = [world.owned_alert() for _ in range(3)]
    return world, expected


def test_quiet_when_healthy(submission, rng):
    world, expected = healthy(rng)
    report = run(submission, world)
    given = f"{quoted(world.rules)}; every owner is there and may write, every rotation is live"
    expect_problems(report, set(), given)
    for path, (state, line, people) in expected.items():
        expect_path(report, path, state, line, people, given)
    for alert in world.alerts:
        (person,) = world.members(alert["owner"])
        expect_alert(report, alert, person, set(), "an alert with owner, rotation and runbook")
    expect_code(report.code, 0, given)
    world.files, world.alerts = [], []
    report = run(submission, world)
    expect(
        report.code == 0 and not report.paths and not report.alerts,
        observed=f"exit code {report.code}, {len(report.paths)} paths, {len(report.alerts)} alerts",
        expected="exit code 0 and empty lists",
        given="a change without files, and no alerts",
    )


def test_exit_code(submission, rng):
    sound, _ = healthy(rng)
    stale, stranded, unmatched, unowned, silent = (copy.deepcopy(sound) for _ in range(5))
    stale.rules.append(f"/unused/ {stale.gone()}")
    stranded.rules.append(f"/mine/ {stranded.team(stranded.author)}")
    stranded.files.append({"path": "mine/x.py"})
    unmatched.rules[0] = "# nobody for the rest"
    unowned.alerts.append(unowned.alert())
    silent.alerts.append(silent.owned_alert(runbook=None))
    cases = [
        (sound, 0, "no findings"),
        (stale, 1, "one rule with a team that is gone, which the change does not touch"),
        (stranded, 1, "one path whose only owner is the author"),
        (unmatched, 1, "one path that no rule matches"),
        (unowned, 1, "one alert without an owner"),
        (silent, 1, "one alert without a runbook"),
    ]
    by_command = {0, int(rng.integers(1, len(cases)))}
    for number, (world, wanted, given) in enumerate(cases):
        expect_code(run(submission, world).code, wanted, f"main([...]) with {given}")
        if number in by_command:
            done = submission.run(["python", "-m", "owners", *arguments(world.now)])
            expect_exit(done, wanted, f"python -m owners with {given}")


def test_whole_report(submission, rng):
    for _ in range(6):
        world = drawn(rng)
        report = run(submission, world)
        expect_problems(report, problems_of(world), quoted(world.rules))
        wanted = {file[end] for file in world.files for end in ("path", "previous") if end in file}
        expect(
            set(report.paths) == wanted,
            observed=f"entries for {', '.join(sorted(report.paths))}",
            expected=f"entries for {', '.join(sorted(wanted))}",
            given=f"a change of {json.dumps(world.files)}",
        )
        for path in sorted(wanted):
            state, line, people = answer_for(world, path)
            rule = "no rule" if line is None else f"line {line}, {world.rules[line - 1]!r}"
            given = f"the author is {world.author}; {rule} decides"
            expect_path(report, path, state, line, people, given)
        for alert in world.alerts:
            given = f"the alert {json.dumps(alert)} at {world.now}"
            expect_alert(report, alert, *notified(world, alert), given)


def drawn(rng: np.random.Generator) -> World:
    """An organisation as it is after three re-organisations."""
    world = World(rng)
    levels = [None, None, "read", "triage", *WRITES]
    people = [
        world.person(active=bool(rng.random() < 0.7), access=rng.choice(levels)) for _ in range(9)
    ]
    teams: list[str] = []
    for _ in range(7):
        members = [person for person in people if rng.random() < 0.25]
        parent = str(rng.choice(teams)) if teams and rng.random() < 0.5 else None
        teams.append(world.team(*members, access=rng.choice(levels), parent=parent))
    for team in teams:
        if rng.random() < 0.7:
            world.rotate(
                team,
                *(str(person) for person in rng.permutation(people)[: int(rng.integers(1, 4))]),
                time_zone=str(rng.choice(ZONES)),
                starts=str(date(2026, 1, 1) + timedelta(days=int(rng.integers(300)))),
                hand_over=f"{rng.integers(6, 22):02d}:30",
                days=int(rng.integers(1, 15)),
            )
    owners = [*people, *teams, world.gone(), STRANGER]
    folders, files = ["app", "core", "docs"], ["x.py", "y.sql"]
    forms = ["{a}/", "/{a}/", "{a}/{b}", "/{a}/*", "*.py", "**/{a}", "{a}/**", "/{a}/**/{f}", "{f}",
             "/{f}", "*.sql", "/*", "?.py", "{a}/*/{f}", "a*/", "/{a}/{b}/", "[ac]*/"]  # fmt: skip
    if rng.random() < 0.5:
        world.rules.append(f"* {rng.choice(teams)}")
    for form in rng.choice(forms, int(rng.integers(4, 11))):
        pattern = str(form).format(
            a=rng.choice(folders), b=rng.choice(folders), f=rng.choice(files)
        )
        chosen = rng.permutation(owners)[: int(rng.integers(0, 4))].tolist()
        world.rules.append(" ".join([pattern, *chosen]))
        if rng.random() < 0.15:
            world.rules.append(f"# {world.rules[-1]}")

    def path() -> str:
        inside = [str(rng.choice(folders)) for _ in range(int(rng.integers(0, 4)))]
        return "/".join([*inside, str(rng.choice(files))])

    renamed = {path(): path() if rng.random() < 0.3 else None for _ in range(8)}
    world.files = [
        {"path": new} | ({"previous": old} if old else {}) for new, old in renamed.items()
    ]
    world.author = str(rng.choice([*people, STRANGER]))
    for _ in range(6):
        owner = str(rng.choice([*teams, *teams, *teams, owners[-2], people[0]]))
        world.alerts.append(world.alert(owner=owner if rng.random() < 0.9 else None))
    now = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(hours=int(rng.integers(24 * 300)))
    world.now = now.isoformat()
    return world


# What is right, worked out once more: without regular expressions, shift by shift.


def problems_of(world: World) -> set[tuple[int, str, str]]:
    found = set()
    for line, pattern, owners in rules_of(world):
        if "[" in pattern:
            found.add((line, "invalid-pattern", pattern))
            continue
        found |= {(line, kind, owner) for owner in owners if (kind := trouble(world, owner))}
    return found


def answer_for(world: World, path: str) -> tuple[str, int | None, set[str]]:
    decides = None
    for line, pattern, owners in rules_of(world):
        if "[" not in pattern and owns(pattern, path):
            decides = line, owners
    if decides is None:
        return "unmatched", None, set()
    line, owners = decides
    if not owners:
        return "cleared", line, set()
    people: set[str] = set()
    for owner in owners:
        if trouble(world, owner) is None:
            people |= behind(world, owner)
    people.discard(world.author)
    return ("covered" if people else "stranded"), line, people


def rules_of(world: World) -> list[tuple[int, str, list[str]]]:
    words = [(number, line.split()) for number, line in enumerate(world.rules, 1)]
    return [(number, first, rest) for number, (first, *rest) in words if first != "#"]


def trouble(world: World, owner: str) -> str | None:
    if owner not in world.people and owner not in world.teams:
        return "unknown-owner"
    teams = [owner] if owner in world.teams else []
    teams += [team for team in world.teams if owner in world.members(team)]
    holders = {owner, *(above for team in teams for above in upwards(world, team))}
    if not any(world.access.get(holder) in WRITES for holder in holders):
        return "no-write-access"
    return None if behind(world, owner) else "nobody-left"


def behind(world: World, owner: str) -> set[str]:
    people = {owner}.intersection(world.people)
    for team in world.teams:
        if owner in upwards(world, team):
            people |= world.members(team)
    return {person for person in people if world.people[person]["active"]}


def upwards(world: World, team: str) -> list[str]:
    found = [team]
    while (parent := world.teams[found[-1]]["parent"]) is not None:
        found.append(parent)
    return found


def owns(pattern: str, path: str) -> bool:
    wanted, parts = pattern.strip("/").split("/"), path.split("/")
    starts = [0] if "/" in pattern.rstrip("/") else list(range(len(parts)))
    file_too = not pattern.endswith("/")
    below = not file_too or wanted[-1] not in ("*", "**")
    for start in starts:
        for end in range(start + 1, len(parts) + 1):
            if (file_too if end == len(parts) else below) and along(wanted, parts[start:end]):
                return True
    return False


def along(wanted: list[str], parts: list[str]) -> bool:
    """Whether these parts of a path are the whole of what the pattern's parts describe."""
    if not wanted or not parts:
        return not wanted and not parts
    if wanted[0] == "**":
        if len(wanted) == 1:
            return True
        return any(along(wanted[1:], parts[i:]) for i in range(len(parts)))
    return glob(wanted[0], parts[0]) and along(wanted[1:], parts[1:])


def glob(wanted: str, part: str) -> bool:
    if not wanted:
        return not part
    if wanted[0] == "*":
        return any(glob(wanted[1:], part[i:]) for i in range(len(part) + 1))
    return bool(part) and wanted[0] in ("?", part[0]) and glob(wanted[1:], part[1:])


def notified(world: World, alert: dict[str, Any]) -> tuple[str | None, set[str]]:
    owner = alert["owner"]
    if owner is None:
        return None, {"no-owner"}
    if owner not in world.teams:
        return None, {"unknown-owner"}
    person = on_call(world.rotations.get(owner), datetime.fromisoformat(world.now))
    if person is None or not world.people[person]["active"]:
        return None, {"nobody-on-call"}
    return person, set()


def on_call(rotation: dict[str, Any] | None, now: datetime) -> str | None:
    """Walks from hand-over to hand-over."""
    if rotation is None:
        return None
    zone, hour = ZoneInfo(rotation["time_zone"]), time.fromisoformat(rotation["hand_over"])
    day, turn, people = date.fromisoformat(rotation["starts"]), 0, rotation["people"]
    while datetime.combine(day, hour, zone).astimezone(UTC) <= now:
        day += timedelta(days=rotation["days"])
        turn += 1
    return people[(turn - 1) % len(people)] if turn else None
