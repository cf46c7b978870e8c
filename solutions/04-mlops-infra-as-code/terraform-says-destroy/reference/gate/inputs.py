"""Reads input files. What is wrong with one is said without repeating what it holds."""

import json
from pathlib import Path
from typing import Any


class Unfit(Exception):
    """An input that no decision can rest on."""


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unfit(f"{path}: {error.strerror}") from None


def parse(content: bytes, what: object) -> dict[str, Any]:
    """The JSON object that `content` holds."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Unfit(f"{what}: not a JSON document") from None
    if not isinstance(found, dict):
        raise Unfit(f"{what}: not a JSON object")
    return found
