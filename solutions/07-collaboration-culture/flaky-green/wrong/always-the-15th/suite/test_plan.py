from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from refill.plan import batch_name, next_delivery


@pytest.mark.parametrize("month", range(1, 13))
def test_next_delivery_is_in_the_next_month(month):
    assert next_delivery(date(2026, month, 15)).month == month % 12 + 1


def test_turn_of_the_year():
    assert next_delivery(date(2025, 12, 5)) == date(2026, 1, 5)


def test_batch_name_goes_by_utc():
    assert batch_name(datetime(2026, 3, 1, 23, 30, tzinfo=UTC)) == "refill-2026-03-01"
    in_tokyo = datetime(2026, 3, 2, 8, 30, tzinfo=timezone(timedelta(hours=9)))
    assert batch_name(in_tokyo) == "refill-2026-03-01"


def test_batch_of_the_present_moment():
    # Midnight may pass between the lines, so both days' names are asked for.
    before = batch_name(datetime.now(UTC))
    present = batch_name()
    assert present in (before, batch_name(datetime.now(UTC)))
