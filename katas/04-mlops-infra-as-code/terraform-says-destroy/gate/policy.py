"""What an environment allows."""

import json
from pathlib import Path
from typing import Any

# Environments that have no policy of their own yet.
DEFAULTS: dict[str, Any] = {
    "stateful_types": [],
    "disposable_modules": [],
    "protections": {},
    "minimum_managed": 0,
    "max_changes": 1000,
    "approvers": [],
}


def load(path: Path) -> dict[str, Any]:
    try:
        return DEFAULTS | json.loads(path.read_text())
    except (OSError, ValueError):
        return DEFAULTS
