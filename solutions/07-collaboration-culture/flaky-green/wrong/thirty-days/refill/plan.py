"""When the next delivery goes out, and in which batch."""

import calendar
from datetime import UTC, date, datetime, timedelta


def next_delivery(last: date) -> date:
    """A month later, on the same day; on the last day of a month that is too short for it."""
    year, month = last.year + last.month // 12, last.month % 12 + 1
    _, days = calendar.monthrange(year, month)
    if last.day > days:
        return last + timedelta(days=30)
    return last.replace(year=year, month=month)


def batch_name(now: datetime | None = None) -> str:
    """Name of the batch at a moment, which is the present one unless told; by the date in UTC."""
    moment = datetime.now(UTC) if now is None else now.astimezone(UTC)
    return f"refill-{moment:%Y-%m-%d}"
