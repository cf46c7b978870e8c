"""When the next delivery goes out, and in which batch."""

from datetime import UTC, date, datetime, timedelta


def next_delivery(last: date) -> date:
    """A month later, on the same day; on the last day of a month that is too short for it."""
    first = (last.replace(day=1) + timedelta(days=32)).replace(day=1)
    end = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return end if last.day > end.day else first.replace(day=last.day)


def batch_name(now: datetime | None = None) -> str:
    """Name of the batch at a moment, which is the present one unless told; by the date in UTC."""
    moment = datetime.now(UTC) if now is None else now.astimezone(UTC)
    return f"refill-{moment:%Y-%m-%d}"
