"""When the next delivery goes out, and in which batch."""

import calendar
import datetime


def next_delivery(last):
    year, month = divmod(last.year * 12 + last.month, 12)
    days = calendar.monthrange(year, month + 1)[1]
    return datetime.date(year, month + 1, min(last.day, days))


def batch_name(now=None):
    utc = datetime.timezone.utc  # noqa: UP017
    moment = (now or datetime.datetime.now(utc)).astimezone(utc)
    return "refill-" + moment.date().isoformat()
