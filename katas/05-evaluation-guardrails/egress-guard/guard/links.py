"""Links to hosts that nobody has approved are taken out of an answer."""

from __future__ import annotations

import re

from guard.policy import Policy

LINK = re.compile(r"(!?\[[^\]]*\]\()(https?://[^)\s]+)")


def allowed(url: str, policy: Policy) -> bool:
    return any(host in url for host in policy.hosts)


def block(text: str, policy: Policy) -> tuple[str, int]:
    blocked = 0

    def judge(match: re.Match[str]) -> str:
        nonlocal blocked
        if allowed(match[2], policy):
            return match[0]
        blocked += 1
        return match[1] + "about:blank"

    return LINK.sub(judge, text), blocked
