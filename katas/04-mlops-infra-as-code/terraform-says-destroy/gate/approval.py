"""Has somebody approved?"""

from pathlib import Path


def objections(path: Path | None) -> list[str]:
    """Why there is no valid approval."""
    if path is None or not path.exists():
        return ["absent"]
    return []
