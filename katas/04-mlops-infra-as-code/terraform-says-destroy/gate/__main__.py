"""python -m gate: may this plan be applied?  0 yes, 1 no."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gate import approval, policy, rules
from gate.render import differences, render


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="gate", description=__doc__)
    parser.add_argument("--plan", required=True, type=Path, help="from terraform show -json")
    parser.add_argument("--policy", required=True, type=Path, help="what the environment allows")
    parser.add_argument("--approval", type=Path, help="may be left out, or not be there")
    parser.add_argument("--author", required=True, help="who made the plan")
    parser.add_argument("--now", required=True, help="ISO 8601, with an offset")
    parser.add_argument("--out", required=True, type=Path, help="where the decision goes")
    options = parser.parse_args(argv)

    content = options.plan.read_bytes()
    plan = json.loads(content)
    text = render(plan)
    print(text)

    findings = rules.check(text, policy.load(options.policy))
    objections = approval.objections(options.approval)
    verdict = "block" if findings and objections else "allow"
    decision = {
        "plan_sha256": hashlib.sha256(content).hexdigest(),
        "verdict": verdict,
        "findings": findings,
        "approval": {"valid": not objections, "reasons": objections},
        "changes": [describe(change) for change in plan["resource_changes"]],
    }
    options.out.write_text(json.dumps(decision, indent=2) + "\n")
    print(f"gate: {verdict}")
    return 0 if verdict == "allow" else 1


def describe(change: dict[str, Any]) -> dict[str, Any]:
    """One change, for the page on which the plan is approved."""
    return {
        "address": change["address"],
        "actions": change["change"]["actions"],
        "attributes": {
            name: {"before": before, "after": after}
            for name, (before, after) in differences(change["change"]).items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
