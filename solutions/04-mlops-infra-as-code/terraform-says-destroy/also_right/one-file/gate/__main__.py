"""python -m gate: everything in one file, on the JSON as it is."""

import argparse
import hashlib
import json
import os
import re
import sys
from datetime import datetime

WORDS = {"no-op", "create", "read", "update", "delete", "forget"}
FIELDS = {
    "stateful_types": list,
    "disposable_modules": list,
    "protections": dict,
    "minimum_managed": int,
    "max_changes": int,
    "approvers": list,
}
KEY = r'(?:\[(?:[0-9]+|"(?:\\.|[^"\\])*")\])?'
WEIGHTS = {
    "stateful-destroyed": "block",
    "protection-weakened": "block",
    "missing-state": "block",
    "protection-unknown": "needs-approval",
    "blast-radius": "needs-approval",
}


def main(argv=None):
    parser = argparse.ArgumentParser(prog="gate")
    for name in ("--plan", "--policy", "--author", "--now", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--approval")
    options = parser.parse_args(argv)
    decision, trouble = {"verdict": "refused"}, None
    try:
        decision = decide(options)
    except ValueError as error:
        trouble = str(error)
    # The new decision takes the old one's place in one step.
    with open(options.out + ".new", "w") as file:
        json.dump(decision, file, indent=1)
    os.replace(options.out + ".new", options.out)
    if trouble is not None:
        print(trouble, file=sys.stderr)
        return 2
    return 0 if decision["verdict"] == "allow" else 1


def need(holds, otherwise):
    if not holds:
        raise ValueError(otherwise)


def decide(options):
    now = time_in(options.now)
    need(now is not None, "--now needs an offset")
    raw, plan = document(options.plan, "the plan")
    _, policy = document(options.policy, "the policy")
    for name, kind in FIELDS.items():
        need(type(policy.get(name)) is kind, f"the policy's {name} is not right")
    for name in ("stateful_types", "disposable_modules", "approvers"):
        need(all(type(text) is str for text in policy[name]), f"the policy's {name} is not right")
    check(plan)

    entries = [e for e in plan.get("resource_changes", []) if e["mode"] == "managed"]
    entries = [e for e in entries if e["change"]["actions"] != ["no-op"]]
    findings = [
        {"kind": kind, "address": e["address"], "attribute": attribute}
        for e in entries
        if not spare(e, policy)
        for kind, attribute in [*destroyed(e, policy), *weakened(e, policy)]
    ]
    state = (plan.get("prior_state") or {}).get("values") or {}
    if managed(state.get("root_module") or {}) < policy["minimum_managed"]:
        findings.append({"kind": "missing-state"})
    if sum(1 for e in entries if touches(e)) > policy["max_changes"]:
        findings.append({"kind": "blast-radius"})

    digest = hashlib.sha256(raw).hexdigest()
    reasons = against(options, policy, digest, now)
    weights = {WEIGHTS[finding["kind"]] for finding in findings}
    verdict = "allow"
    if "block" in weights:
        verdict = "block"
    elif weights and reasons:
        verdict = "needs-approval"
    return {
        "plan_sha256": digest,
        "verdict": verdict,
        "findings": findings,
        "approval": {"valid": reasons == [], "reasons": reasons},
        "changes": [shown(e) for e in entries],
    }


def document(path, what):
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except OSError as error:
        raise ValueError(f"{what} cannot be read: {error.strerror}") from None
    try:
        found = json.loads(raw)
    except ValueError:
        raise ValueError(f"{what} is not JSON") from None
    need(type(found) is dict, f"{what} is not an object")
    return raw, found


def check(plan):
    version = plan.get("format_version")
    need(type(version) is str and version.startswith("1."), "the plan's format is not 1.x")
    need(plan.get("errored") in (None, False), "the plan has errors")
    entries = plan.get("resource_changes", [])
    need(type(entries) is list, "the plan's changes are no list")
    for number, e in enumerate(entries):
        where = f"change number {number}"
        need(type(e) is dict and {"address", "mode", "type", "change"} <= set(e), f"{where}: fields")
        actions = e["change"].get("actions") if type(e["change"]) is dict else None
        need(type(actions) is list and actions, f"{where}: actions")
        need(all(type(w) is str and w in WORDS for w in actions), f"{where}: unknown action")


def managed(module):
    count = sum(1 for r in module.get("resources", []) if r["mode"] == "managed")
    for child in module.get("child_modules", []):
        count += managed(child)
    return count


def touches(e):
    return any(word in ("create", "update", "delete") for word in e["change"]["actions"])


def spare(e, policy):
    patterns = [
        re.compile("".join(re.escape(f"module.{name}") + KEY + r"\." for name in names(module)))
        for module in policy["disposable_modules"]
    ]
    places = [e["address"]]
    if e.get("previous_address"):
        places.append(e["previous_address"])
    return all(any(pattern.match(place) for pattern in patterns) for place in places)


def names(module):
    return module.removeprefix("module.").split(".module.")


def destroyed(e, policy):
    if "delete" in e["change"]["actions"] and e["type"] in policy["stateful_types"]:
        yield "stateful-destroyed", None


def weakened(e, policy):
    change = e["change"]
    if not isinstance(change.get("before"), dict) or not isinstance(change.get("after"), dict):
        return
    for name, safe in policy["protections"].get(e["type"], {}).items():
        if change["before"].get(name) == safe:
            if says_yes(change.get("after_unknown"), name):
                yield "protection-unknown", name
            elif change["after"].get(name) != safe:
                yield "protection-weakened", name


def says_yes(marks, name):
    if isinstance(marks, dict):
        return "true" in json.dumps(leaves(marks.get(name)))
    return marks is True


def leaves(mark):
    """The mark without its keys, which may be called anything."""
    if isinstance(mark, dict):
        return [leaves(inner) for inner in mark.values()]
    if isinstance(mark, list):
        return [leaves(inner) for inner in mark]
    return mark


def shown(e):
    change = e["change"]
    before, after = change.get("before") or {}, change.get("after") or {}
    attributes = {}
    if before and after:
        unknown = change.get("after_unknown")
        for name in {*before, *after, *(unknown if isinstance(unknown, dict) else [])}:
            pair = [before.get(name), after.get(name)]
            later = says_yes(unknown, name)
            if pair[0] == pair[1] and not later:
                continue
            if later:
                pair[1] = "(known after apply)"
            for side in ("before_sensitive", "after_sensitive"):
                if says_yes(change.get(side), name):
                    pair = ["(sensitive)", "(sensitive)"]
            attributes[name] = {"before": pair[0], "after": pair[1]}
    return {"address": e["address"], "actions": change["actions"], "attributes": attributes}


def against(options, policy, digest, now):
    if not options.approval or not os.path.exists(options.approval):
        return ["absent"]
    try:
        _, approval = document(options.approval, "the approval")
    except ValueError:
        return ["unreadable"]
    texts = [approval.get(name) for name in ("plan_sha256", "approver", "expires")]
    if not all(type(text) is str for text in texts):
        return ["unreadable"]
    until, who = time_in(texts[2]), texts[1].lower()
    if until is None:
        return ["unreadable"]
    reasons = []
    if texts[0] != digest:
        reasons += ["wrong-plan"]
    if until <= now:
        reasons += ["expired"]
    if who == options.author.lower():
        reasons += ["own-plan"]
    if who not in [name.lower() for name in policy["approvers"]]:
        reasons += ["not-an-approver"]
    return reasons


def time_in(text):
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.utcoffset() is not None else None


if __name__ == "__main__":
    sys.exit(main())
