"""Whether somebody who may has approved this plan, and still stands by it."""

from datetime import datetime
from pathlib import Path

from gate.inputs import Unfit, parse, read
from gate.policy import Policy


def objections(
    path: Path | None, digest: str, author: str, policy: Policy, now: datetime
) -> list[str]:
    """Why there is no valid approval; nothing when there is one."""
    if path is None or not path.exists():
        return ["absent"]
    try:
        data = parse(read(path), path)
        approver, wanted = data["approver"], data["plan_sha256"]
        late = now >= moment(data["expires"])
    except (Unfit, KeyError, AttributeError, TypeError, ValueError):
        return ["unreadable"]
    found = {
        "wrong-plan": wanted != digest,
        "expired": late,
        "own-plan": approver == author,
        "not-an-approver": approver not in policy.approvers,
    }
    return [reason for reason, holds in found.items() if holds]


def moment(text: str) -> datetime:
    """ISO 8601 with an offset."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("a time without an offset")
    return found
