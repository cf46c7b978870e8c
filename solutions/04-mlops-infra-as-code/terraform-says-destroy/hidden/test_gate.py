"""Made-up plans, policies and approvals, drawn anew for every behaviour."""

import copy
import hashlib
import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np

from grader.judge import Raised, Submission, expect

#: Which of these hold data is up to each policy, never to their names.
TYPES = [
    "aws_db_instance", "aws_dynamodb_table", "aws_ebs_volume", "aws_efs_file_system",
    "aws_rds_cluster", "aws_s3_bucket", "azurerm_storage_account", "google_bigquery_dataset",
    "google_sql_database_instance", "google_storage_bucket",
]  # fmt: skip
ORDINARY = [
    "aws_cloudwatch_log_group", "aws_ecs_service", "aws_iam_role", "aws_lambda_function", "aws_lb",
    "aws_route53_record", "aws_security_group", "google_cloud_run_service",
]  # fmt: skip
#: Attributes that protect, and the values with which they do.
PROTECTIONS: dict[str, Any] = {
    "deletion_protection": True,
    "skip_final_snapshot": False,
    "delete_automated_backups": False,
    "force_destroy": False,
    "point_in_time_recovery": True,
    "removal_policy": "Retain",
    "versioning": "Enabled",
}
WORDS = [
    "audio", "batch", "billing", "cache", "claims", "clicks", "curation", "drift", "events",
    "export", "features", "fields", "gates", "images", "import", "ingest", "labels", "ledger",
    "loader", "lookup", "metrics", "models", "offers", "orders", "parser", "prices", "prompts",
    "queue", "ranks", "reports", "reviews", "risk", "rules", "scores", "search", "serving",
    "shares", "signals", "splits", "stores", "tables", "tokens", "traces", "train", "vectors",
    "windows",
]  # fmt: skip
BIRDS = ["avocet", "coot", "dunlin", "finch", "heron", "ibis", "lapwing", "plover", "ruff", "wren"]
REPLACES = (("delete", "create"), ("create", "delete"))
BLOCKING = {"stateful-destroyed", "protection-weakened", "missing-state"}
GONE = object()  # an attribute that is not there
HIDDEN, LATER = "(sensitive)", "(known after apply)"

Found = tuple[str, str | None, str | None]


# ---------------------------------------------------------------------------- made-up inputs


@dataclass
class Object:
    """What happens to one object, in the test's own words."""

    modules: tuple[str, ...]
    were: tuple[str, ...]
    address: str
    type: str
    actions: tuple[str, ...]
    managed: bool
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    unknown: dict[str, Any]
    entry: dict[str, Any]


@dataclass
class World:
    """All inputs of one run."""

    rng: np.random.Generator
    objects: list[Object] = field(default_factory=list)
    state: list[tuple[tuple[str, ...], dict[str, Any]]] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)  # further parts of the plan
    approval: Any = None

    def __post_init__(self) -> None:
        rng = self.rng
        self._numbers = itertools.count(int(rng.integers(10, 90)))
        types = rng.permutation(TYPES).tolist()
        self.stateful, self.plain = types[:4], types[4:]
        ordinary = rng.permutation(ORDINARY).tolist()
        self.ordinary, self.guarded = ordinary[:5], [*types[:3], ordinary[5]]
        names = list(PROTECTIONS)
        self.author, *self.birds = (f"@{bird}" for bird in rng.permutation(BIRDS).tolist())
        self.policy: dict[str, Any] = {
            "stateful_types": [*self.stateful],
            "disposable_modules": [],
            "protections": {
                type: {
                    name: PROTECTIONS[name]
                    for name in rng.permutation(names)[: int(rng.integers(1, 4))].tolist()
                }
                for type in self.guarded
            },
            "minimum_managed": 0,
            "max_changes": 40,
            "approvers": self.birds[:4],
        }
        self.now = datetime(2026, 3, 4, tzinfo=UTC) + timedelta(minutes=int(rng.integers(500_000)))

    # --- drawing

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def word(self) -> str:
        """A word that nothing else in this world is called."""
        return f"{self.pick(WORDS)}_{next(self._numbers)}"

    def key(self) -> str:
        """An instance key, or none."""
        word = self.word()
        number = int(self.rng.integers(0, 40))
        keys = ["", f"[{number}]", f'["{word}"]', f'["{word}.eu.example"]', f'["raw {word}/1"]']
        return str(self.pick(keys))

    def module(self, *names: str, depth: int = 0) -> tuple[str, ...]:
        """A path of modules: of these names, or of drawn ones."""
        drawn = [self.word() for _ in range(depth)]
        return tuple(f"module.{name}{self.key()}" for name in [*names, *drawn])

    def values(self, type: str) -> dict[str, Any]:
        """Attributes of a healthy object."""
        word = self.word()
        return {
            "id": f"{word}-{self.rng.integers(10**6)}",
            "size": int(self.rng.integers(1, 400)),
            "tags": {"team": word},
            **self.policy["protections"].get(type, {}),
        }

    # --- what happens

    def change(
        self,
        type: str,
        *actions: str,
        modules: tuple[str, ...] = (),
        key: str = "",
        was: dict[str, Any] | None = None,
        will: dict[str, Any] | None = None,
        unknown: dict[str, Any] | None = None,
        marks: tuple[Any, Any] | None = None,
        previous: tuple[str, ...] | None = None,
        deposed: bool = False,
        managed: bool = True,
        name: str = "",
        like: Object | None = None,
    ) -> Object:
        """One entry of the plan, and what it needs in the prior state."""
        name = name or self.word()
        own = f"{type}.{name}{key}" if managed else f"data.{type}.{name}{key}"
        address = ".".join([*modules, own])
        if like is not None:
            modules, address, name = like.modules, like.address, like.entry["name"]
        old, new = changed(self.values(type), was or {}), None
        kind = set(actions)
        if kind & {"create", "update", "read", "no-op"}:
            new = changed(old, will or {})
            if kind & {"create", "update"} and "size" in new and will is None:
                new["size"] += 1
        before = None if actions in (("create",), ("read",)) else old
        unknown = unknown or {}
        shown = None if new is None else {k: v for k, v in new.items() if k not in unknown}
        body: dict[str, Any] = {
            "actions": list(actions),
            "before": before,
            "after": shown,
            "after_unknown": unknown if new is not None else self.pick([{}, False]),
            "before_sensitive": (marks or ({}, {}))[0] if before is not None else False,
            "after_sensitive": (marks or ({}, {}))[1] if new is not None else False,
        }
        entry: dict[str, Any] = {"address": address}
        if previous is not None:
            entry["previous_address"] = ".".join([*previous, own])
        if modules:
            entry["module_address"] = ".".join(modules)
        entry |= {
            "mode": "managed" if managed else "data",
            "type": type,
            "name": name,
            "provider_name": "registry.terraform.io/hashicorp/" + type.partition("_")[0],
            "change": body,
        }
        if deposed:
            entry["deposed"] = f"{self.rng.integers(16**8):08x}"
        found = Object(
            modules, modules if previous is None else previous, address, type, actions, managed,
            before, shown, unknown, entry,
        )  # fmt: skip
        self.objects.append(found)
        if before is not None:
            self.remember(entry, modules, before)
        return found

    def remember(self, entry: dict[str, Any], modules: tuple[str, ...], values: Any) -> None:
        """Puts an object into the prior state."""
        names = ("address", "mode", "type", "name", "provider_name")
        resource = {name: entry[name] for name in names} | {"values": values}
        if "deposed" in entry:
            resource["deposed_key"] = entry["deposed"]
        self.state.append((modules, resource))

    def untouched(self, count: int, managed: bool = True, depth: int | None = None) -> None:
        """Objects that are there and stay as they are. Terraform lists some of them."""
        for _ in range(count):
            type = str(self.pick(self.ordinary + self.stateful))
            deep = int(self.rng.integers(0, 4)) if depth is None else depth
            found = self.change(
                type, "no-op", modules=self.module(depth=deep), key=self.key(), managed=managed
            )
            if self.rng.random() < 0.4:
                self.objects.remove(found)

    def everyday(self, count: int) -> None:
        """Changes against which nothing stands."""
        for _ in range(count):
            actions = self.pick([("create",), ("update",), ("delete",), *REPLACES])
            modules = self.module(depth=int(self.rng.integers(0, 3)))
            self.change(self.pick(self.ordinary[:4]), *actions, modules=modules, key=self.key())

    # --- files

    def plan(self) -> dict[str, Any]:
        entries = [found.entry for found in self.objects]
        entries = [entries[i] for i in self.rng.permutation(len(entries))]
        plan: dict[str, Any] = {
            "format_version": "1.2",
            "terraform_version": "1.9.5",
            "planned_values": {"root_module": {}},
            "resource_changes": entries,
            "prior_state": tree(self.state),
            "configuration": {},
            "timestamp": "2026-03-04T20:00:00Z",
            "applyable": True,
            "complete": True,
            "errored": False,
        }
        plan |= self.more
        return {name: part for name, part in plan.items() if part is not GONE}

    def content(self) -> bytes:
        if not hasattr(self, "_content"):
            self._content = json.dumps(self.plan(), indent=self.pick([None, 1, 2])).encode()
        return self._content

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content()).hexdigest()

    def approve(self, **other: Any) -> dict[str, Any]:
        """A valid approval, unless `other` makes it another."""
        approval = {
            "plan_sha256": self.digest,
            "approver": self.policy["approvers"][0],
            "expires": self.at(minutes=int(self.rng.integers(30, 600))),
        }
        return {name: part for name, part in (approval | other).items() if part is not GONE}

    def at(self, minutes: int, west: int = -11, east: int = 12) -> str:
        """A time relative to now, written down somewhere in the world."""
        zone = timezone(timedelta(hours=int(self.rng.integers(west, east + 1))))
        return (self.now + timedelta(minutes=minutes)).astimezone(zone).isoformat()


def changed(values: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in (values | other).items() if part is not GONE}


def tree(resources: list[tuple[tuple[str, ...], dict[str, Any]]]) -> dict[str, Any]:
    """A state as Terraform nests it. What is empty is left out."""
    root: dict[str, Any] = {}
    nodes = {(): root}
    for path, resource in resources:
        for end in range(1, len(path) + 1):
            if path[:end] not in nodes:
                node = nodes[path[:end]] = {"address": ".".join(path[:end])}
                nodes[path[: end - 1]].setdefault("child_modules", []).append(node)
        nodes[path].setdefault("resources", []).append(resource)
    return {"format_version": "1.0", "terraform_version": "1.9.5", "values": {"root_module": root}}


# ---------------------------------------------------------------------------- decisions


@dataclass
class Decision:
    code: int
    verdict: str
    findings: set[Found]
    valid: bool
    reasons: set[str]
    changes: list[dict[str, Any]]
    digest: str
    text: str
    printed: str


def arguments(**other: str) -> list[str]:
    values = {"plan": "plan.json", "policy": "policy.json", "author": "@nobody"} | other
    return [part for name, value in values.items() for part in (f"--{name}", value)]


def run(submission: Submission, world: World, given: str) -> Decision:
    """Writes the inputs, calls main() and takes the decision apart."""
    files = {"plan.json": world.content(), "policy.json": json.dumps(world.policy)}
    options = {"author": world.author, "now": world.at(0), "out": "decision.json"}
    if world.approval is not None:
        approval = world.approval
        files["approval.json"] = approval if isinstance(approval, str) else json.dumps(approval)
        options["approval"] = "approval.json"
    submission.write(files | {"decision.json": ""})
    code = call(submission, arguments(**options))
    printed = submission.log()
    expect(
        code in (0, 1),
        observed=f"exit code {code}; it printed: "
        f"{printed.strip().rpartition(chr(10))[2][:200] or '(nothing)'}",
        expected="exit code 0 or 1",
        given=given,
    )
    body = submission.json("decision.json")
    shape(isinstance(body, dict), body, "an object")
    findings = set()
    for entry in listed(body, "findings"):
        kind, address, attribute = (entry.get(name) for name in ("kind", "address", "attribute"))
        fit = type(kind) is str and text_or_none(address) and text_or_none(attribute)
        shape(fit, entry, "findings with `kind`, `address` and `attribute`")
        shape(
            (kind, address, attribute) not in findings or kind == "stateful-destroyed",
            entry,
            "each finding once",
        )
        findings.add((kind, address, attribute))
    approval = body.get("approval")
    shape(isinstance(approval, dict), approval, "`approval`, an object")
    valid, reasons = approval.get("valid"), approval.get("reasons")
    fit = type(valid) is bool and isinstance(reasons, list)
    fit = fit and all(type(reason) is str for reason in reasons)
    shape(fit, approval, "an `approval` with `valid` (true or false) and `reasons` (texts)")
    verdict, digest = body.get("verdict"), body.get("plan_sha256")
    shape(type(verdict) is str, verdict, "a `verdict`")
    shape(type(digest) is str, digest, "a `plan_sha256`")
    text = submission.text("decision.json")
    return Decision(
        code, verdict, findings, valid, set(reasons), listed(body, "changes"), digest, text, printed
    )


def call(submission: Submission, argv: list[str]) -> int:
    """main() returns the exit code, or leaves with SystemExit."""
    try:
        code = submission.call("gate.__main__:main", argv)
    except Raised as raised:
        if raised.type != "SystemExit" or not raised.message.isdigit():
            raise
        code = int(raised.message)
    expect(
        type(code) is int,
        observed=f"main([...]) returned {code!r}",
        expected="an exit code",
    )
    return code


def listed(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    entries = body.get(name)
    fit = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    shape(fit, entries, f"`{name}`, a list of objects")
    return list(entries)


def shape(fit: bool, seen: object, wanted: str) -> None:
    expect(fit, observed=f"the decision has {json.dumps(seen)[:300]}", expected=wanted)


def text_or_none(value: object) -> bool:
    return value is None or type(value) is str


def expect_decision(
    submission: Submission,
    world: World,
    verdict: str,
    wanted: set[Found],
    given: str,
    valid: bool | None = None,
) -> None:
    check(run(submission, world, given), verdict, wanted, given, valid)


def check(
    decision: Decision, verdict: str, wanted: set[Found], given: str, valid: bool | None = None
) -> None:
    expect_findings(decision, wanted, given)
    code = 0 if verdict == "allow" else 1
    expect(
        (decision.verdict, decision.code) == (verdict, code),
        observed=f"{decision.verdict}, exit code {decision.code}",
        expected=f"{verdict}, exit code {code}",
        given=given,
    )
    if valid is not None:
        expect(
            decision.valid is valid and decision.valid == (not decision.reasons),
            observed=f"valid: {decision.valid}, reasons: {', '.join(decision.reasons) or '(none)'}",
            expected="a valid approval" if valid else "an approval that is not valid",
            given=given,
        )


def expect_findings(decision: Decision, wanted: set[Found], given: str) -> None:
    lost = wanted - decision.findings
    missing, extra = told(lost), told(decision.findings - wanted)
    expect(
        decision.findings == wanted,
        observed=f"missing: {missing}; too many: {extra}",
        expected=f"these findings: {told(wanted)}"
        if len(wanted) <= 3
        else f"{len(wanted)} findings" + (", those that are missing among them" * bool(lost)),
        given=given,
    )


def told(findings: set[Found]) -> str:
    lines = sorted(" ".join(text for text in finding if text) for finding in findings)
    more = [f"and {len(lines) - 3} more"] if len(lines) > 3 else []
    return "; ".join(lines[:3] + more) or "none"


def described(found: Object) -> str:
    return f"{json.dumps(found.actions)} for {found.address}"


def everything(objects: list[Object], kind: str = "stateful-destroyed") -> set[Found]:
    return {(kind, found.address, None) for found in objects}


# ---------------------------------------------------------------------------- the incident


def test_stateful_destroys(submission, rng):
    everywhere = World(rng)
    everywhere.untouched(4)
    lost = []
    for actions in (("delete",), *REPLACES):
        world = World(rng)
        world.untouched(3)
        world.everyday(3)
        type = world.pick(world.stateful)
        found = world.change(type, *actions, key=world.pick(["", "[0]", '["eu"]']))
        given = f"{described(found)}; {type} is stateful"
        expect_decision(submission, world, "block", everything([found]), given)
    for type in everywhere.stateful + everywhere.plain + everywhere.ordinary[:2]:
        found = everywhere.change(type, *everywhere.pick([("delete",), *REPLACES]))
        lost += [found] if type in everywhere.stateful else []
    types = ", ".join(everywhere.stateful)
    given = f"one object of each of twelve types destroyed; stateful are {types}"
    expect_decision(submission, everywhere, "block", everything(lost), given)


def test_missing_state(submission, rng):
    known = int(rng.integers(6, 14))

    def world(creates: int = 6) -> World:
        new = World(rng)
        new.policy["minimum_managed"] = known
        for _ in range(creates):
            new.change(new.pick(TYPES + ORDINARY), "create", modules=new.module(depth=1))
        return new

    missing = ("missing-state", None, None)
    empty = {"format_version": "1.0", "terraform_version": "1.9.5"}
    outputs = {"outputs": {"url": {"sensitive": False, "value": "x"}}, "root_module": {}}
    for prior, what in (
        (GONE, "a plan without prior_state"),
        (empty, "a prior_state without values"),
        (empty | {"values": outputs}, "a prior_state with an output and no resource"),
    ):
        bare = world()
        bare.more["prior_state"] = prior
        given = f"{what} that creates 6 objects; at least {known} must be there"
        expect_decision(submission, bare, "block", {missing}, given)
    reading = world()
    reading.untouched(known + 5, managed=False)
    given = f"a prior_state with {known + 5} data sources alone; at least {known} must be there"
    expect_decision(submission, reading, "block", {missing}, given)
    fewer = world()
    fewer.untouched(known - 1)
    given = f"{known - 1} managed objects in prior_state; at least {known} must be there"
    expect_decision(submission, fewer, "block", {missing}, given)
    approved = world(creates=0)
    approved.more["prior_state"] = GONE
    approved.approval = approved.approve()
    given = f"an approved plan without changes and without prior_state; {known} must be there"
    expect_decision(submission, approved, "block", {missing}, given)
    for depth in (1, 3):
        enough = world()
        enough.untouched(known, depth=depth)
        given = f"{known} managed objects, all at module depth {depth}; {known} must be there"
        expect_decision(submission, enough, "allow", set(), given)
    first = world()
    first.policy["minimum_managed"] = 0
    first.more["prior_state"] = GONE
    given = "a first plan without prior_state; minimum_managed is 0"
    expect_decision(submission, first, "allow", set(), given)


def test_every_address(submission, rng):
    world = World(rng)
    world.untouched(3)
    word, number = world.word(), int(rng.integers(0, 30))
    destroyed = []
    for depth in (0, 1, 2, 4):
        for key in (f"[{number}]", f'["{word}"]', f'["{word}.eu-1"]', f'["all {word}"]'):
            type, actions = world.pick(world.stateful), world.pick([("delete",), *REPLACES])
            found = world.change(type, *actions, modules=world.module(depth=depth), key=key)
            destroyed.append(found)
    given = f"{len(destroyed)} stateful objects destroyed, up to 4 modules deep, with instance keys"
    expect_decision(submission, world, "block", everything(destroyed), given)
    for before in (True, False):
        world = World(rng)
        world.untouched(3)
        type, modules = world.pick(world.stateful), world.module(depth=int(rng.integers(0, 2)))
        current = world.change(type, "no-op", modules=modules)
        found = world.change(type, "delete", deposed=True, like=current)
        if before:
            world.objects.reverse()
        world.rng = Unshuffled(rng)
        given = (
            f"{found.address} comes twice in the plan, {'first' if before else 'last'} as a "
            "deposed object that is destroyed"
        )
        expect_decision(submission, world, "block", everything([found]), given)


class Unshuffled:
    """A generator whose permutations leave things where they are."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def permutation(self, size: int) -> Any:
        return np.arange(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rng, name)


def in_need_of_approval(rng: np.random.Generator) -> tuple[World, set[Found]]:
    """A plan that may be applied with an approval, and not without."""
    world = World(rng)
    world.untouched(4)
    if rng.random() < 0.5:
        world.policy["max_changes"] = int(rng.integers(1, 5))
        world.everyday(world.policy["max_changes"] + 1)
        return world, {("blast-radius", None, None)}
    type = world.pick(world.guarded)
    attribute = world.pick(list(world.policy["protections"][type]))
    found = world.change(type, "update", modules=world.module(depth=1), unknown={attribute: True})
    return world, {("protection-unknown", found.address, attribute)}


def test_approval_is_bound(submission, rng):
    world, findings = in_need_of_approval(rng)
    other = copy.deepcopy(world)
    other.everyday(1)
    same = json.dumps(json.loads(world.content()), indent=5).encode()
    soon, past = world.at(minutes=3, east=-1), world.at(minutes=-3, west=1)
    author, stranger = world.policy["approvers"][0], world.birds[-1]
    naive = (world.now + timedelta(hours=5)).replace(tzinfo=None).isoformat()
    sound = world.approve()
    capitals = sound["approver"].upper()
    cases: list[tuple[Any, set[str], str]] = [
        (sound, set(), "a sound approval"),
        (world.approve(expires=soon), set(), f"an approval until {soon}"),
        (world.approve(approver=capitals), set(), f"an approval by {capitals}"),
        (None, {"absent"}, "no --approval"),
        (json.dumps(sound)[:-7], {"unreadable"}, "an approval that breaks off"),
        (json.dumps([sound]), {"unreadable"}, "a list in place of an approval"),
        (world.approve(expires=naive), {"unreadable"}, f"an approval until {naive}"),
        (world.approve(expires="tomorrow"), {"unreadable"}, "an approval until tomorrow"),
        (world.approve(approver=None), {"unreadable"}, "an approver that is null"),
        (world.approve(plan_sha256=other.digest), {"wrong-plan"}, "the approval of another plan"),
        (
            world.approve(plan_sha256=hashlib.sha256(same).hexdigest()),
            {"wrong-plan"},
            "an approval of the same JSON in a file with other spaces",
        ),
        (world.approve(expires=past), {"expired"}, f"an approval until {past}"),
        (world.approve(expires=world.at(0)), {"expired"}, "an approval that expires now"),
        (world.approve(approver=stranger), {"not-an-approver"}, f"an approval by {stranger}"),
        (
            world.approve(approver=stranger, expires=past),
            {"not-an-approver", "expired"},
            f"an approval by {stranger} until {past}",
        ),
    ]
    part = str(rng.choice(list(sound)))
    cases.append((world.approve(**{part: GONE}), {"unreadable"}, f"an approval without {part}"))
    for approval, reasons, what in cases:
        world.approval = approval
        expect_approval(submission, world, findings, reasons, what)
    for name in (author, f"@{author[1:].capitalize()}"):
        world.author, world.approval = name, sound
        what = f"an approval by {sound['approver']} of a plan by {name}"
        expect_approval(submission, world, findings, {"own-plan"}, what)
    submission.write({"plan.json": world.content(), "policy.json": json.dumps(world.policy)})
    options = {"now": world.at(0), "approval": "not-there.json", "out": "decision.json"}
    code = call(submission, arguments(**options))
    expect(
        code == 1,
        observed=f"exit code {code}",
        expected="exit code 1",
        given="a plan that needs an approval, and --approval names a file that is not there",
    )


def expect_approval(
    submission: Submission, world: World, findings: set[Found], reasons: set[str], what: str
) -> None:
    approvers = ", ".join(world.policy["approvers"])
    given = (
        f"{what}; the plan has: {told(findings)}; now is {world.now.isoformat()}; "
        f"approvers: {approvers}"
    )
    decision = run(submission, world, given)
    expect(
        decision.reasons == reasons,
        observed=f"reasons: {', '.join(sorted(decision.reasons)) or '(none)'}",
        expected=f"reasons: {', '.join(sorted(reasons)) or '(none)'}",
        given=given,
    )
    verdict = "needs-approval" if reasons else "allow"
    check(decision, verdict, findings, given, valid=not reasons)
    expect(
        decision.digest == world.digest,
        observed=f"plan_sha256 {decision.digest}",
        expected=f"{world.digest}, the SHA-256 of the plan file's bytes",
        given=given,
    )


def test_approval_has_limits(submission, rng):
    for case in ("destroyed", "weakened", "missing"):
        world, findings = in_need_of_approval(rng)
        world.policy["max_changes"] += 1 if ("blast-radius", None, None) not in findings else 0
        if case == "destroyed":
            actions = world.pick([("delete",), *REPLACES])
            blocked = world.change(world.pick(world.stateful), *actions)
            findings |= everything([blocked])
        elif case == "weakened":
            type = world.pick(world.guarded)
            ((name, safe), *_) = world.policy["protections"][type].items()
            blocked = world.change(type, "update", will={name: opposite(safe)})
            findings |= {("protection-weakened", blocked.address, name)}
        else:
            world.policy["minimum_managed"] = len(world.state) + 1
            findings |= {("missing-state", None, None)}
        world.approval = world.approve()
        given = f"a plan with a valid approval, and with: {told(findings)}"
        expect_decision(submission, world, "block", findings, given, valid=True)


def opposite(safe: Any) -> Any:
    return (not safe) if isinstance(safe, bool) else "Delete"


# ---------------------------------------------------------------------------- neighbours


def test_weakened_protection(submission, rng):
    world = World(rng)
    world.untouched(3)
    type = world.guarded[0]
    first, *others = rng.permutation(list(PROTECTIONS))[:3].tolist()
    world.policy["protections"][type] = {name: PROTECTIONS[name] for name in (first, *others)}
    off = {name: opposite(PROTECTIONS[name]) for name in (first, *others)}
    bare = world.change(type, "update", was={first: off[first]}, will=off).address
    wanted: set[Found] = {("protection-weakened", bare, name) for name in others}
    for type in world.guarded:
        for name, safe in world.policy["protections"][type].items():
            modules = world.module(depth=int(rng.integers(0, 3)))
            for value in (opposite(safe), None, GONE):
                found = world.change(type, "update", modules=modules, will={name: value})
                wanted.add(("protection-weakened", found.address, name))
            if type not in world.stateful:
                found = world.change(type, *world.pick(REPLACES), will={name: opposite(safe)})
                wanted.add(("protection-weakened", found.address, name))
    world.policy["max_changes"] = len(world.objects)
    protections = json.dumps(world.policy["protections"])
    given = (
        f"objects that lose a protection: changed, null or left out ({bare} had {first} at "
        f"{json.dumps(off[first])} before); {protections}"
    )
    expect_decision(submission, world, "block", wanted, given)

    world = World(rng)
    world.untouched(3)
    for type in world.guarded:
        for name, safe in world.policy["protections"][type].items():
            none = {name: world.pick([opposite(safe), None, GONE])}
            world.change(type, "update", was=none)
            world.change(type, "update", was=none, will={name: safe})
            world.change(type, "update", was={name: opposite(safe)}, will={name: None})
            world.change(type, "create", was=none)
    other = world.pick([type for type in TYPES + ORDINARY if type not in world.guarded])
    for name, safe in PROTECTIONS.items():
        world.change(other, "update", was={name: safe}, will={name: opposite(safe)})
    world.policy["max_changes"] = len(world.objects)
    given = (
        "objects that were not protected before, new ones, ones that gain a protection, and "
        f"{other}, for which the policy names no protection"
    )
    expect_decision(submission, world, "allow", set(), given)


def test_unknown_protection(submission, rng):
    world = World(rng)
    world.untouched(3)
    wanted: set[Found] = set()
    for type in world.guarded:
        for name, safe in world.policy["protections"][type].items():
            modules = world.module(depth=int(rng.integers(0, 2)))
            found = world.change(type, "update", modules=modules, unknown={name: True, "arn": True})
            wanted.add(("protection-unknown", found.address, name))
            world.change(type, "update", was={name: opposite(safe)}, unknown={name: True})
            world.change(type, "update", unknown={"arn": True, "tags": {}})
            world.change(type, "create", unknown={name: True})
    world.policy["max_changes"] = len(world.objects)
    given = "protected attributes whose value is only known after apply"
    expect_decision(submission, world, "needs-approval", wanted, given)
    world.approval = world.approve()
    expect_decision(submission, world, "allow", wanted, given + ", approved", valid=True)
    null = World(rng)
    null.untouched(3)
    type = null.pick(null.guarded)
    name = null.pick(list(null.policy["protections"][type]))
    found = null.change(type, "update", unknown={name: True})
    found.entry["change"]["after"][name] = None
    given = f"{name} of {found.address} is null in `after` and true in `after_unknown`"
    wanted = {("protection-unknown", found.address, name)}
    expect_decision(submission, null, "needs-approval", wanted, given)


def test_not_destroyed(submission, rng):
    def each(world: World) -> list[tuple[str, Any]]:
        type = world.pick(world.stateful)
        deep = world.module(depth=int(rng.integers(0, 3)))
        old = world.module(depth=1)

        def drift() -> None:
            found = world.change(type, "delete", modules=deep)
            world.objects.remove(found)
            world.more["resource_drift"] = [found.entry]

        def imported() -> None:
            found = world.change(type, "no-op", modules=deep)
            found.entry["change"]["importing"] = {"id": world.word()}

        def moved(action: str) -> Any:
            return lambda: world.change(type, action, modules=deep, previous=old)

        return [
            ("moved to another module", moved("no-op")),
            ("moved and updated", moved("update")),
            ("forgotten", lambda: world.change(type, "forget", modules=deep)),
            ("replaced, the old one forgotten", lambda: world.change(type, "create", "forget")),
            ("imported", imported),
            ("read, as a data source", lambda: world.change(type, "read", managed=False)),
            ("dropped, as a data source", lambda: world.change(type, "delete", managed=False)),
            ("in resource_drift, as deleted outside", drift),
        ]

    together = World(rng)
    together.untouched(4)
    for number in range(len(each(together))):
        world = World(rng)
        world.untouched(4)
        what, happens = each(world)[number]
        happens()
        each(together)[number][1]()
        given = f"an object of a stateful type that is {what}"
        expect_decision(submission, world, "allow", set(), given)
    given = "moved, forgotten, imported and read objects, and one in resource_drift"
    expect_decision(submission, together, "allow", set(), given)


def test_disposable_modules(submission, rng):
    world = World(rng)
    world.untouched(3)
    app, preview, other = world.word(), world.word(), world.word()
    world.policy["disposable_modules"] = [f"module.{preview}", f"module.{app}.module.{other}"]
    kinds = [("delete",), *REPLACES]
    for modules in (
        world.module(preview),
        (f'module.{preview}["pr-{rng.integers(100)}"]',),
        (f"module.{preview}[{rng.integers(9)}]",),
        world.module(preview, world.word(), world.word()),
        world.module(app, other),
        (f'module.{app}["eu.west"]', f"module.{other}[0]"),
        (*world.module(app, other), f'module.{world.word()}["a.b"]'),
    ):
        for actions in kinds:
            world.change(world.pick(world.stateful), *actions, modules=modules, key=world.key())
        type = world.pick(world.guarded)
        ((name, safe), *_) = world.policy["protections"][type].items()
        world.change(type, "update", modules=modules, will={name: opposite(safe)})
        world.change(type, "update", modules=modules, unknown={name: True})
    where = f"disposable: {' and '.join(world.policy['disposable_modules'])}"
    inside = "in disposable modules objects are destroyed and lose protections"
    expect_decision(submission, world, "allow", set(), f"{inside}; {where}")

    destroyed = []
    for modules in (
        (),
        world.module(f"{preview}_old"),
        world.module(f"my_{preview}"),
        world.module(app),
        world.module(other),
        world.module(app, preview),
        world.module(app, world.word(), other),
        (f'module.{app}["module.{preview}"]',),
        (f'module.{world.word()}["x.module.{preview}.y"]',),
        (f'module.{app}["a.module.{other}"]',),
    ):
        actions = world.pick(kinds)
        destroyed.append(world.change(world.pick(world.stateful), *actions, modules=modules))
    kept = world.pick(world.stateful)
    destroyed.append(world.change(kept, "delete", name=preview))
    destroyed.append(world.change(kept, "delete", key=f'["module.{preview}"]'))
    to, outside = world.module(preview), world.module(world.word())
    destroyed.append(world.change(kept, "delete", modules=to, previous=outside))
    world.change(kept, "delete", modules=to, previous=world.module(preview))
    del world._content
    world.policy["max_changes"] = len(world.objects)
    given = f"{inside}, elsewhere some are destroyed, one is moved in and destroyed; {where}"
    expect_decision(submission, world, "block", everything(destroyed), given)


def test_blast_radius(submission, rng):
    for over in (0, 1, int(rng.integers(2, 30))):
        world = World(rng)
        world.untouched(6)
        world.untouched(4, managed=False)
        limit = world.policy["max_changes"] = int(rng.integers(6, 20))
        preview = world.word()
        world.policy["disposable_modules"] = [f"module.{preview}"]
        type = world.pick(world.ordinary)
        current = world.change(type, "update")
        world.change(type, "delete", deposed=True, like=current)
        world.change(world.pick(world.stateful), "delete", modules=world.module(preview))
        world.everyday(limit + over - 3)
        for _ in range(3):
            world.change(world.pick(world.ordinary), "forget")
            world.change(world.pick(world.ordinary), "read", managed=False)
        found = world.change(world.pick(world.ordinary), "update")
        world.objects.remove(found)
        world.more["resource_drift"] = [found.entry] * 4
        given = (
            f"{limit + over} objects created, updated, destroyed or replaced, a deposed one among "
            f"them, besides no-ops, forgotten ones, data sources and drift; max_changes is {limit}"
        )
        wanted: set[Found] = {("blast-radius", None, None)} if over else set()
        verdict = "needs-approval" if over else "allow"
        expect_decision(submission, world, verdict, wanted, given)
    world.approval = world.approve()
    expect_decision(submission, world, "allow", wanted, given + ", approved", valid=True)


# ---------------------------------------------------------------------------- faults


def sound(rng: np.random.Generator) -> World:
    world = World(rng)
    world.untouched(4)
    world.everyday(3)
    return world


def refused(
    submission: Submission, world: World, other: dict[str, str], given: str, stale: bool = False
) -> str:
    """Runs the command, which is to end with exit code 2. Returns what it printed."""
    options = {"author": world.author, "now": world.at(0), "out": "decision.json"} | other
    submission.write({"plan.json": world.content(), "policy.json": json.dumps(world.policy)})
    if stale:
        yesterday = {"verdict": "allow", "findings": [], "plan_sha256": world.digest}
        submission.write({"decision.json": json.dumps(yesterday)})
    done = submission.run(["python", "-m", "gate", *arguments(**options)])
    expect(
        done.exit_code == 2 and bool(done.stderr.strip()) and "Traceback" not in done.stderr,
        observed=f"exit code {done.exit_code}; standard error: {done.last_lines or '(nothing)'}",
        expected="exit code 2, and the reason on standard error, without a traceback",
        given=given,
    )
    return done.stdout + done.stderr


def broken_plans(rng: np.random.Generator) -> list[tuple[str, str]]:
    """Plans that are not fit to decide on, and what is wrong with each."""
    world = sound(rng)
    plan = json.loads(world.content())
    texts = [(world.content().decode()[:-9], "a plan that breaks off"), ("[]", "a list for a plan")]
    for version in (GONE, "2.0", "0.2", f"1{rng.integers(10)}.1", 7):
        other = changed(plan, {"format_version": version})
        what = "without format_version" if version is GONE else f"with format_version {version!r}"
        texts.append((json.dumps(other), f"a plan {what}"))
    texts.append((json.dumps(plan | {"errored": True}), "a plan that Terraform marks as errored"))
    texts.append((json.dumps(plan | {"resource_changes": "none"}), "a text for resource_changes"))
    part = world.pick(["address", "mode", "type", "actions", "change"])
    for name, value, what in (
        (part, GONE, f"a change without {part}"),
        ("actions", ["obliterate"], "a change with the action 'obliterate'"),
        ("actions", ["create", "archive"], "a change with the actions 'create' and 'archive'"),
    ):
        other = copy.deepcopy(plan)
        changes = other["resource_changes"]
        entry = world.pick([found for found in changes if found["mode"] == "managed"])
        holder = entry["change"] if name == "actions" else entry
        holder.pop(name) if value is GONE else holder.update({name: value})
        texts.append((json.dumps(other), what))
    return texts


def test_unfit_plan(submission, rng):
    world = sound(rng)
    for text, given in broken_plans(rng):
        submission.write({"other.json": text})
        refused(submission, world, {"plan": "other.json"}, given)
    refused(submission, world, {"plan": "gone.json"}, "a --plan that is not there")
    naive = world.now.replace(tzinfo=None).isoformat()
    refused(submission, world, {"now": naive}, f"--now {naive}, without an offset")
    for minor in ("1.0", f"1.{rng.integers(3, 90)}"):
        newer = sound(rng)
        newer.more = {"format_version": minor, "provider_meta": {}, "errored": GONE}
        given = f"a plan with format_version {minor} and a part that nobody knows yet"
        expect_decision(submission, newer, "allow", set(), given)


def test_unfit_policy(submission, rng):
    world = sound(rng)
    cases = [("", "a policy that is empty"), ("[]", "a list for a policy")]
    cases.append((json.dumps(world.policy)[:-5], "a policy that breaks off"))
    for name in world.policy:
        less = {other: value for other, value in world.policy.items() if other != name}
        typo = f"{name[:-1]}e{name[-1]}"
        cases.append((json.dumps(less | {typo: world.policy[name]}), f"{typo} in place of {name}"))
    name = world.pick(["stateful_types", "disposable_modules", "approvers"])
    cases.append((json.dumps(world.policy | {name: world.pick(TYPES)}), f"a text for {name}"))
    for value in ("many", 2.5):
        name = world.pick(["minimum_managed", "max_changes"])
        cases.append((json.dumps(world.policy | {name: value}), f"{json.dumps(value)} for {name}"))
    name = world.pick(list(world.policy))
    cases.append((json.dumps(world.policy | {name: None}), f"null for {name}"))
    for text, given in cases:
        submission.write({"other.json": text})
        refused(submission, world, {"policy": "other.json"}, given)
    refused(submission, world, {"policy": "gone.json"}, "a --policy that is not there")


def test_nothing_stale(submission, rng):
    world = sound(rng)
    plans = broken_plans(rng)
    chosen = [plans[i] for i in rng.permutation(len(plans))[:2]]
    name = world.pick(list(world.policy))
    less = changed(world.policy, {name: GONE})
    cases = [("plan", text, what) for text, what in chosen]
    cases += [("policy", json.dumps(less), f"a policy without {name}")]
    cases += [(option, None, f"a --{option} that is not there") for option in ("plan", "policy")]
    for option, text, what in cases:
        if text is not None:
            submission.write({"other.json": text})
        name = "gone.json" if text is None else "other.json"
        given = f"{what}; yesterday's decision was to allow"
        refused(submission, world, {option: name}, given, stale=True)
        if "decision.json" not in submission.listing():
            continue
        left = submission.json("decision.json")
        expect(
            isinstance(left, dict) and left.get("verdict") == "refused",
            observed=f"exit code 2, and decision.json holds {json.dumps(left)[:200]}",
            expected="no decision.json, or one with the verdict `refused`",
            given=given,
        )


def test_secrets_stay_inside(submission, rng):
    world = World(rng)
    world.untouched(3)
    secrets: list[str] = []

    def secret() -> str:
        secrets.append(f"sk-{rng.integers(16**12):012x}")
        return secrets[-1]

    def account() -> dict[str, str]:
        return {"user": "app", "key": secret()}

    type = world.pick(world.guarded)
    ((name, safe), *_) = world.policy["protections"][type].items()
    weak: dict[str, Any] = {name: opposite(safe)}
    inner: dict[str, Any] = {"users": [{}, {"key": True}], "size": False}
    world.change(
        type, "update", modules=world.module(depth=1), was={"password": secret()},
        will={"password": secret()} | weak, marks=({"password": True}, {"password": True}),
    )  # fmt: skip
    world.change(
        type, "update", was={"users": [{"user": "a"}, account()]},
        will={"users": [{"user": "b"}, account()]}, marks=(inner, inner),
    )  # fmt: skip
    world.change(
        type, "update", was={"token": secret()}, will={"token": secret()} | weak,
        marks=({}, {"token": True}),
    )  # fmt: skip
    world.change(
        type, "update", was={"token": secret()}, will={"token": "public"},
        marks=({"token": True}, {}),
    )  # fmt: skip
    world.change(
        type, "update", was={"token": secret()}, will={"token": secret()}, marks=(True, True)
    )
    world.change(
        world.pick(world.ordinary), "create",
        was={"environment": {"LEVEL": "info", "KEY": secret()}},
        marks=(False, {"environment": {"KEY": True}}),
    )  # fmt: skip
    world.change(world.pick(world.ordinary), "delete", was=account(), marks=({"key": True}, False))
    world.more["variables"] = {"db_password": {"value": secret()}}
    world.more["output_changes"] = {
        "password": {
            "actions": ["update"], "before": secret(), "after": secret(), "after_unknown": False,
            "before_sensitive": True, "after_sensitive": True,
        }
    }  # fmt: skip
    plan = json.loads(world.content())
    decision = run(submission, world, "a plan with sensitive attributes")
    for text, what in ((decision.text, "the decision"), (decision.printed, "what main() printed")):
        seen = next((secret for secret in secrets if secret in text), "")
        expect_no_secret(secrets, text, what, marked(plan, seen))
    expect(
        decision.verdict == "block",
        observed=f"{decision.verdict}: {told(decision.findings)}",
        expected="block",
        given="two objects that lose a protection, with sensitive attributes beside it",
    )
    telling = [entry for entry in plan["resource_changes"] if "sk-" in json.dumps(entry["change"])]
    for part in ("address", "type", "change", "actions", "format_version"):
        entry = copy.deepcopy(world.pick(telling))
        broken = plan | {"resource_changes": [entry]}
        if part == "format_version":
            broken[part] = "2.0"
        elif part == "change":
            entry["change"] = [entry["change"]]
        elif part == "actions":
            entry["change"]["actions"] = ["renew"]
        else:
            del entry[part]
        submission.write({"other.json": json.dumps(broken)})
        given = f"a plan with sensitive values that is refused because of `{part}`"
        printed = refused(submission, world, {"plan": "other.json", "out": "other-out.json"}, given)
        if "other-out.json" in submission.listing():
            printed += submission.text("other-out.json")
        expect_no_secret(secrets, printed, "what is printed or written", given)


def marked(plan: dict[str, Any], secret: str) -> str:
    """Where the plan has this value, and how it is marked there."""
    for entry in plan["resource_changes"]:
        change = entry["change"]
        for side in ("before", "after"):
            mark = change[f"{side}_sensitive"]
            for name, value in (change[side] or {}).items():
                if secret in json.dumps(value):
                    at = mark.get(name, False) if isinstance(mark, dict) else mark
                    return (
                        f"the value is in {name} of {entry['address']}, in `{side}`, where "
                        f"`{side}_sensitive` has {json.dumps(at)} for it"
                    )
    return "the value is in the plan's `variables` or `output_changes`"


def expect_no_secret(secrets: list[str], text: str, what: str, given: str) -> None:
    seen = [secret for secret in secrets if secret in text]
    expect(
        not seen,
        observed=f"{what} has the sensitive value {seen[0] if seen else ''}",
        expected="no value that the plan marks as sensitive",
        given=given,
    )


# ---------------------------------------------------------------------------- of use


def test_everyday_plans(submission, rng):
    world = World(rng)
    world.untouched(8)
    world.policy["minimum_managed"] = int(rng.integers(1, 9))
    world.everyday(6)
    loud = world.pick(["will_be_destroyed", "destroy_expired_sessions", "must_be_replaced"])
    note = {"tags": {"note": "# aws_db_instance.main will be destroyed"}}
    world.change(world.pick(world.ordinary), "update", name=loud, will=note)
    world.change(world.pick(world.stateful), "update", name=f"delete_{world.word()}", will=note)
    for type in world.stateful:
        world.change(type, "create", modules=world.module(depth=1))
        world.change(type, "update", modules=world.module(depth=2), key=world.key())
    for type in world.plain[:2]:
        world.change(type, *world.pick([("delete",), *REPLACES]))
    sound = world.approve()
    given = "a plan of everyday changes to fewer objects than `max_changes`"
    for approval, what in (
        (None, ""),
        (sound, " with a valid approval"),
        (world.approve(expires=world.at(-60)), " with an old approval, which it does not need"),
        ("{", " with an approval that breaks off, which it does not need"),
    ):
        world.approval = approval
        expect_decision(submission, world, "allow", set(), given + what, approval is sound)
    none = World(rng)
    none.untouched(5, depth=1)
    none.objects.clear()
    none.more["resource_changes"] = GONE
    given = "a plan without resource_changes, as Terraform prints it when there are none"
    expect_decision(submission, none, "allow", set(), given)
    submission.write({"plan.json": world.content(), "policy.json": json.dumps(world.policy)})
    options = {"author": world.author, "now": world.at(0), "out": "decision.json"}
    done = submission.run(["python", "-m", "gate", *arguments(**options)])
    expect(
        done.exit_code == 0 and submission.json("decision.json").get("verdict") == "allow",
        observed=f"exit code {done.exit_code}; standard error: {done.last_lines or '(nothing)'}",
        expected="exit code 0, verdict allow",
        given="python -m gate with a plan of everyday changes",
    )


def test_says_what_changes(submission, rng):
    world = World(rng)
    world.untouched(4)
    world.everyday(3)
    type = world.pick(world.ordinary[:4])
    old, new = {"team": "a", "stage": world.word()}, {"team": "b"}
    lists = {"tags": {}, "rules": [{}, {"cidr": False}], "size": False}
    wanted: dict[str, dict[str, Any]] = {}
    found = world.change(
        type, "update", modules=world.module(depth=2), key=world.key(),
        was={"tags": old, "rules": [{"cidr": "10.0.0.0/8"}], "note": "x", "password": "old"},
        will={"tags": new, "rules": [], "note": GONE, "password": "new", "extra": 0},
        marks=(lists | {"password": True}, lists | {"password": True}),
    )  # fmt: skip
    wanted[found.address] = {
        "tags": {"before": old, "after": new},
        "rules": {"before": [{"cidr": "10.0.0.0/8"}], "after": []},
        "note": {"before": "x", "after": None},
        "password": None,
        "extra": {"before": None, "after": 0},
    }
    found = world.change(
        type, *world.pick(REPLACES), was={"arn": "arn:1", "key": "k1", "same": "s"},
        will={"size": 500}, marks=({"same": True}, {"same": True}),
        unknown={
            "arn": True, "key": {"parts": [False, {"id": True}]}, "fresh": True, "tags": {},
            "ports": [False],
        },
    )  # fmt: skip
    before = found.before or {}
    found.entry["change"]["after"]["tags"] = before["tags"]
    wanted[found.address] = {
        "size": {"before": before["size"], "after": 500},
        "arn": {"before": "arn:1", "after": LATER},
        "key": {"before": "k1", "after": LATER},
        "fresh": {"before": None, "after": LATER},
    }
    world.change(world.pick(world.ordinary), "forget")
    world.change(world.pick(world.ordinary), "read", managed=False)
    current = world.change(type, "update")
    world.change(type, "delete", deposed=True, like=current)
    given = "an ordinary plan with no-ops, a data source, a forgotten and a deposed object"
    decision = run(submission, world, given)
    pairs = [(entry.get("address"), entry.get("actions")) for entry in decision.changes]
    expected = [
        (found.address, list(found.actions))
        for found in world.objects
        if found.managed and found.actions != ("no-op",)
    ]
    lost = [pair for pair in expected if pair not in pairs]
    extra = [pair for pair in pairs if pair not in expected]
    expect(
        not lost and not extra and len(pairs) == len(expected),
        observed=f"{len(pairs)} entries in `changes`; missing: {listed_pairs(lost)}; too many: "
        f"{listed_pairs(extra)}",
        expected=f"{len(expected)} entries, one for each managed object with an action other than "
        "no-op",
        given=given,
    )
    changes = {found.address: found.entry["change"] for found in world.objects}
    for entry in decision.changes:
        attributes = wanted.get(entry["address"])
        if attributes is not None:
            expect_attributes(entry, changes[entry["address"]], attributes)


def listed_pairs(pairs: list[tuple[Any, Any]]) -> str:
    names = [f"{json.dumps(actions)} of {address}" for address, actions in pairs]
    more = [f"and {len(names) - 2} more"] if len(names) > 2 else []
    return "; ".join(names[:2] + more) or "none"


def expect_attributes(
    entry: dict[str, Any], change: dict[str, Any], wanted: dict[str, Any]
) -> None:
    shown = entry.get("attributes")
    shape(isinstance(shown, dict), shown, "`attributes`, an object")
    given = f"{json.dumps(entry['actions'])} of {entry['address']}"
    expect(
        shown.keys() == wanted.keys(),
        observed=f"attributes {', '.join(sorted(shown)) or '(none)'}",
        expected=f"attributes {', '.join(sorted(wanted))}",
        given=given,
    )
    marks = ("after_unknown", "before_sensitive", "after_sensitive")
    for name, right in wanted.items():
        right = right or {"before": HIDDEN, "after": HIDDEN}
        seen = shown[name] if isinstance(shown[name], dict) else {}
        told_marks = (f"`{mark}` has {json.dumps(change[mark].get(name))}" for mark in marks)
        expect(
            {side: seen.get(side, GONE) for side in right} == right,
            observed=f"{name}: {json.dumps(shown[name])}",
            expected=f"{name}: {json.dumps(right)}",
            given=f"{given}; for {name} {', '.join(told_marks)}",
        )


def test_whole_decision(submission, rng):
    for number in range(5):
        world = drawn(rng, calm=number > 2)
        findings, blast = worked_out(world)
        blocked = any(kind in BLOCKING for kind, _, _ in findings)
        approved = bool(rng.random() < 0.4) or number == 4
        world.approval = world.approve() if approved else None
        verdict = "block" if blocked else "allow" if approved or not findings else "needs-approval"
        managed = sum(resource["mode"] == "managed" for _, resource in world.state)
        given = (
            f"a drawn plan: {len(world.objects)} objects, {blast} of them touched (at most "
            f"{world.policy['max_changes']}), {managed} managed ones in the prior state (at least "
            f"{world.policy['minimum_managed']}), disposable "
            f"{' and '.join(world.policy['disposable_modules'])}, "
            f"{'approved' if approved else 'not approved'}"
        )
        expect_decision(submission, world, verdict, findings, given, valid=approved)


def drawn(rng: np.random.Generator, calm: bool) -> World:
    """An environment, and a plan that does a bit of everything; of a calm one nothing blocks."""
    world = World(rng)
    names = [world.word() for _ in range(3)]
    first, second, third = names
    world.policy["disposable_modules"] = [f"module.{first}", f"module.{second}.module.{third}"]
    types = world.ordinary[:4] if calm else TYPES + world.guarded + ORDINARY
    kinds = [("create",), ("update",), ("update",), ("delete",), *REPLACES, ("no-op",), ("forget",)]

    def modules() -> tuple[str, ...]:
        depth = int(rng.integers(0, 4))
        return world.module(*rng.choice(names, depth).tolist())

    for _ in range(int(rng.integers(6, 30))):
        type, actions = world.pick(types), world.pick(kinds)
        was: dict[str, Any] = {}
        will: dict[str, Any] = {}
        unknown: dict[str, Any] = {}
        for name, safe in world.policy["protections"].get(type, {}).items():
            luck = rng.random()
            if luck < 0.15:
                was[name] = will[name] = opposite(safe)
            elif luck < 0.25 and "update" in actions:
                will[name] = world.pick([opposite(safe), None, GONE])
            elif luck < 0.35 and "update" in actions:
                unknown[name] = True
            else:
                will[name] = safe
        previous = modules() if rng.random() < 0.15 and actions != ("create",) else None
        deposed = actions == ("delete",) and rng.random() < 0.2
        managed = actions not in (("forget",), ("update",)) or rng.random() < 0.9
        world.change(
            type, *actions, modules=modules(), key=world.key(), was=was, will=will,
            unknown=unknown, previous=previous, deposed=deposed, managed=managed,
        )  # fmt: skip
    if not calm:
        world.change(world.pick(world.stateful), "forget")
    world.untouched(int(rng.integers(0, 5)))
    managed = sum(resource["mode"] == "managed" for _, resource in world.state)
    world.policy["minimum_managed"] = max(0, managed + int(rng.integers(-8, 1 if calm else 2)))
    touched = worked_out(world)[1]
    world.policy["max_changes"] = max(0, touched + int(rng.integers(-2, 9)))
    return world


def worked_out(world: World) -> tuple[set[Found], int]:
    """What is right, from what was drawn rather than from the plan."""
    found: set[Found] = set()
    touched = 0
    disposable = [
        tuple(name for name in module.split(".") if name != "module")
        for module in world.policy["disposable_modules"]
    ]

    def spare(path: tuple[str, ...]) -> bool:
        names = tuple(step.removeprefix("module.").split("[")[0] for step in path)
        return any(names[: len(module)] == module for module in disposable)

    for item in world.objects:
        if not item.managed:
            continue
        touched += item.actions in (("create",), ("update",), ("delete",), *REPLACES)
        if spare(item.modules) and spare(item.were):
            continue
        if item.type in world.stateful and item.actions in (("delete",), *REPLACES):
            found.add(("stateful-destroyed", item.address, None))
        if item.before is None or item.after is None:
            continue
        for name, safe in world.policy["protections"].get(item.type, {}).items():
            if item.before.get(name) == safe and name in item.unknown:
                found.add(("protection-unknown", item.address, name))
            elif item.before.get(name) == safe and item.after.get(name) != safe:
                found.add(("protection-weakened", item.address, name))
    managed = sum(resource["mode"] == "managed" for _, resource in world.state)
    if managed < world.policy["minimum_managed"]:
        found.add(("missing-state", None, None))
    if touched > world.policy["max_changes"]:
        found.add(("blast-radius", None, None))
    return found, touched
