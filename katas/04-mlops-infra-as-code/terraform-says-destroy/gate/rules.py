"""What speaks against a plan."""

import re
from typing import Any

# A bare "destroy" also caught aws_lambda_function.destroy_expired_sessions, 14 times a week.
DESTROYED = re.compile(r"^  # (\w+)\.(\w+) will be destroyed$", re.MULTILINE)
CHANGED = re.compile(r"^  # .+ (will|must) ", re.MULTILINE)


def check(text: str, policy: dict[str, Any]) -> list[dict[str, Any]]:
    """Goes through a plan in words, line by line."""
    findings = []
    for match in DESTROYED.finditer(text):
        kind, name = match.groups()
        if kind in policy["stateful_types"]:
            findings.append(finding("stateful-destroyed", f"{kind}.{name}"))
    if len(CHANGED.findall(text)) > policy["max_changes"]:
        findings.append(finding("blast-radius"))
    return findings


def finding(kind: str, address: str | None = None, attribute: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "address": address, "attribute": attribute}
