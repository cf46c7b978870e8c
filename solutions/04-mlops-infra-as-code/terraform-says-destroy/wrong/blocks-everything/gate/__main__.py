"""python -m gate: may this plan be applied?  0 yes, 1 no, 2 no answer."""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gate import approval, plan, policy, report, rules
from gate.inputs import Unfit, parse, read


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="gate", description=__doc__)
    parser.add_argument("--plan", required=True, type=Path, help="from terraform show -json")
    parser.add_argument("--policy", required=True, type=Path, help="what the environment allows")
    parser.add_argument("--approval", type=Path, help="may be left out, or not be there")
    parser.add_argument("--author", required=True, help="who made the plan")
    parser.add_argument("--now", required=True, help="ISO 8601, with an offset")
    parser.add_argument("--out", required=True, type=Path, help="where the decision goes")
    options = parser.parse_args(argv)

    # Whatever happens below: yesterday's decision is not today's.
    options.out.unlink(missing_ok=True)
    try:
        decision = decide(options)
    except Unfit as reason:
        print(f"gate: refused: {reason}", file=sys.stderr)
        write(options.out, {"verdict": "refused", "reason": str(reason)})
        return 2
    write(options.out, decision)
    for finding in decision["findings"]:
        print(*(text for text in finding.values() if text))
    print(decision["verdict"])
    return 0 if decision["verdict"] == "allow" else 1


def decide(options: argparse.Namespace) -> dict[str, Any]:
    try:
        now = approval.moment(options.now)
    except ValueError:
        raise Unfit("--now is not a time with an offset") from None
    content = read(options.plan)
    digest = hashlib.sha256(content).hexdigest()
    planned = plan.take_apart(parse(content, options.plan), options.plan)
    rule_book = policy.take_apart(parse(read(options.policy), options.policy), options.policy)

    found = list(rules.findings(planned, rule_book))
    objections = approval.objections(options.approval, digest, options.author, rule_book, now)
    if any(finding["kind"] in rules.BLOCKING for finding in found):
        verdict = "block"
    elif found and objections:
        verdict = "needs-approval"
    else:
        verdict = "block"
    return {
        "plan_sha256": digest,
        "verdict": verdict,
        "findings": found,
        "approval": {"valid": not objections, "reasons": objections},
        "changes": list(report.changes(planned)),
    }


def write(path: Path, decision: dict[str, Any]) -> None:
    path.write_text(json.dumps(decision, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
