from datetime import UTC, date, datetime, timedelta, timezone

from refill.plan import batch_name, next_delivery


def test_next_delivery_is_in_the_next_month():
    today = date.today()
    assert next_delivery(today).month == today.month % 12 + 1


def test_turn_of_the_year():
    assert next_delivery(date(2025, 12, 5)) == date(2026, 1, 5)


def test_batch_has_the_name_of_the_day():
    assert batch_name() == f"refill-{date.today():%Y-%m-%d}"


def test_batch_name_goes_by_utc():
    assert batch_name(datetime(2026, 3, 1, 23, 30, tzinfo=UTC)) == "refill-2026-03-01"
    in_tokyo = datetime(2026, 3, 2, 8, 30, tzinfo=timezone(timedelta(hours=9)))
    assert batch_name(in_tokyo) == "refill-2026-03-01"
