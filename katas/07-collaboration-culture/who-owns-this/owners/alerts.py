"""Who gets an alert."""

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from owners.org import Org

DEFAULT_OWNER = "@northgrid/platform"


def route(alert: dict[str, Any], org: Org, now: datetime) -> dict[str, Any]:
    # So that no alert gets lost: what has no owner goes to the platform team.
    owner = alert.get("owner") or DEFAULT_OWNER
    rotation = org.rotations.get(owner)
    notify = on_call(rotation, now) if rotation else owner
    return {"id": alert["id"], "notify": notify, "problems": []}


def on_call(rotation: dict[str, Any], now: datetime) -> str:
    """Whose turn it is."""
    starts = datetime.combine(
        date.fromisoformat(rotation["starts"]),
        time.fromisoformat(rotation["hand_over"]),
        ZoneInfo(rotation["time_zone"]),
    )
    elapsed = now.astimezone(UTC) - starts.astimezone(UTC)
    turn = elapsed.days // rotation["days"]
    return rotation["people"][turn % len(rotation["people"])]
