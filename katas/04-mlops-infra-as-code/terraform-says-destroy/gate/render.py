"""Puts a plan into words, as `terraform plan` does."""

import json
from typing import Any

LEGEND = """\
Terraform will perform the following actions:
  + create   ~ update in-place   - destroy   -/+ destroy and then create replacement
"""

HEADERS = {
    "create": "will be created",
    "update": "will be updated in-place",
    "delete": "will be destroyed",
    "delete create": "must be replaced",
    "create delete": "must be replaced",
    "read": "will be read during apply",
    "forget": "will no longer be managed by Terraform",
}


def render(plan: dict[str, Any]) -> str:
    lines = [LEGEND]
    for change in plan["resource_changes"]:
        header = HEADERS.get(" ".join(change["change"]["actions"]))
        if header is None:
            continue
        lines.append(f"  # {change['address']} {header}")
        for name, (before, after) in differences(change["change"]).items():
            lines.append(f"      {name} = {json.dumps(before)} -> {json.dumps(after)}")
        lines.append("")
    return "\n".join(lines)


def differences(change: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The attributes that change, with old and new value."""
    before, after = change["before"] or {}, change["after"] or {}
    names = sorted({*before, *after})
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    }
