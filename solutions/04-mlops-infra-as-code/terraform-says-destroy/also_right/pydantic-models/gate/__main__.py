"""python -m gate"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from gate.models import Approval, Plan, Policy, Refused, clock, load
from gate.verdicts import differing, inspect


def main(argv=None):
    parser = argparse.ArgumentParser(prog="gate")
    for name in ("plan", "policy", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--approval", type=Path)
    parser.add_argument("--author", required=True)
    parser.add_argument("--now", required=True)
    options = parser.parse_args(argv)
    try:
        decision = decide(options)
    except Refused as reason:
        options.out.unlink(missing_ok=True)
        print(f"gate: {reason}", file=sys.stderr)
        raise SystemExit(2) from None
    options.out.write_text(json.dumps(decision))
    return int(decision["verdict"] != "allow")


def decide(options):
    now = clock(options.now)
    plan, content = load(Plan, options.plan)
    policy, _ = load(Policy, options.policy)
    digest = hashlib.sha256(content).hexdigest()
    found = list(inspect(plan, policy))
    reasons = judge(options, policy, digest, now)
    if any(finding.kind.blocks for finding in found):
        verdict = "block"
    else:
        verdict = "needs-approval" if found and reasons else "allow"
    changes = [
        {"address": e.address, "actions": e.change.actions, "attributes": differing(e)}
        for e in plan.resource_changes
        if e.mode == "managed" and e.change.actions != ["no-op"]
    ]
    return {
        "plan_sha256": digest,
        "verdict": verdict,
        "findings": [f._asdict() | {"kind": f.kind.value} for f in found],
        "approval": {"valid": not reasons, "reasons": reasons},
        "changes": changes,
    }


def judge(options, policy, digest, now):
    if options.approval is None or not options.approval.is_file():
        return ["absent"]
    try:
        approval, _ = load(Approval, options.approval)
    except Refused:
        return ["unreadable"]
    reasons = []
    if approval.plan_sha256 != digest:
        reasons.append("wrong-plan")
    if approval.expires <= now:
        reasons.append("expired")
    if approval.approver.lower() == options.author.lower():
        reasons.append("own-plan")
    if approval.approver.lower() not in map(str.lower, policy.approvers):
        reasons.append("not-an-approver")
    return reasons


if __name__ == "__main__":
    sys.exit(main())
