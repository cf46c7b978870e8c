"""The items: one question each, with an answer from every system."""

from __future__ import annotations

import json
from typing import Any

Item = dict[str, Any]


def load(path: str) -> list[Item]:
    items = []
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            line = line.strip()
            if line:
                items.append(json.loads(line))
    return items
