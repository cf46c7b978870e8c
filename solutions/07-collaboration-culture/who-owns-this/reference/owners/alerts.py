"""Who gets an alert, and why nobody would."""

from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from owners.org import Org


def route(alert: dict[str, Any], org: Org, now: datetime) -> dict[str, Any]:
    notify, problems = None, []
    owner = text(alert.get("owner"))
    if not owner:
        problems.append("no-owner")
    elif not org.is_team(owner):
        problems.append("unknown-owner")
    else:
        person = on_call(org.rotation(owner), now)
        if person is not None and org.is_active(person):
            notify = org.written(person)
        else:
            problems.append("nobody-on-call")
    if not text(alert.get("runbook")):
        problems.append("no-runbook")
    return {"id": alert["id"], "notify": notify, "problems": problems}


def text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def on_call(rotation: Any, now: datetime) -> str | None:
    """Whose turn it is by the calendar and the clock on the wall; None if that cannot be said."""
    try:
        wall = now.astimezone(ZoneInfo(rotation["time_zone"]))
        days = (wall.date() - date.fromisoformat(rotation["starts"])).days
        if wall.time() < time.fromisoformat(rotation["hand_over"]):
            days -= 1  # today's hand-over is yet to come
        if days < 0:
            return None
        turn = days // rotation["days"]
        person = rotation["people"][turn % len(rotation["people"])]
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, OSError):
        # One broken rotation must not keep the other alerts from being routed.
        return None
    return person if isinstance(person, str) else None
