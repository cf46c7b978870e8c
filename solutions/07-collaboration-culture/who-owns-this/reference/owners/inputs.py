"""Reads the input files. What is not fit to be used is refused by its name."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any


class Refused(Exception):
    """An input that no report can be made from."""


def moment(text: str) -> datetime:
    try:
        now = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"--now: {text!r} is not an ISO 8601 time") from None
    if now.tzinfo is None:
        raise Refused(f"--now: {text!r} has no offset")
    return now


def folder(path: Path) -> Path:
    if not path.is_dir():
        raise Refused(f"{path} is not a folder")
    return path


def org(path: Path) -> dict[str, Any]:
    data = _object(path)
    for part in ("people", "teams", "access", "rotations"):
        if not isinstance(data.get(part), dict):
            raise Refused(f"{path}: {part!r} is missing or not an object")
    return data


def change(path: Path) -> dict[str, Any]:
    data = _object(path)
    files = data.get("files")
    if not isinstance(data.get("author"), str) or not isinstance(files, list):
        raise Refused(f"{path}: 'author' or 'files' is missing")
    if not all(isinstance(file, dict) and isinstance(file.get("path"), str) for file in files):
        raise Refused(f"{path}: a file without a 'path'")
    return data


def alerts(path: Path) -> list[dict[str, Any]]:
    data = _load(path)
    if not isinstance(data, list):
        raise Refused(f"{path}: not a list")
    if not all(isinstance(alert, dict) and isinstance(alert.get("id"), str) for alert in data):
        raise Refused(f"{path}: an alert without an 'id'")
    return data


def _object(path: Path) -> dict[str, Any]:
    data = _load(path)
    if not isinstance(data, dict):
        raise Refused(f"{path}: not an object")
    return data


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: {error}") from None
