"""Where things are and what may leave: the environment and the policy file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Policy:
    hosts: dict[str, str]
    public_emails: list[str]


@dataclass
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
        policy=Policy(hosts=raw["hosts"], public_emails=raw["public_emails"]),
    )
