"""Where things are and what may leave: the environment and the policy file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import idna


@dataclass(frozen=True)
class Policy:
    hosts: dict[str, str]  # the host as a browser looks it up -> "any" or "no-query"
    public_emails: frozenset[str]


@dataclass(frozen=True)
class Settings:
    upstream_url: str
    upstream_key: str
    canary: str
    policy: Policy


def load() -> Settings:
    raw = json.loads(Path(os.environ["POLICY_FILE"]).read_text(encoding="utf-8"))
    return Settings(
        upstream_url=os.environ["UPSTREAM_URL"],
        upstream_key=os.environ["UPSTREAM_API_KEY"],
        canary=os.environ["CANARY"],
        policy=Policy(
            hosts={looked_up(host) or host: kind for host, kind in raw["hosts"].items()},
            public_emails=frozenset(each.lower() for each in raw["public_emails"]),
        ),
    )


def looked_up(host: str) -> str | None:
    """The name that a browser would look up for this host; None where there is no such name."""
    try:
        return idna.encode(host.removesuffix("."), uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None
