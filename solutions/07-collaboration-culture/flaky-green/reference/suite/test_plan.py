from datetime import UTC, date, datetime

import pytest
from refill.plan import batch_name, next_delivery


@pytest.mark.parametrize(
    ("last", "following"),
    [
        ("2026-03-15", "2026-04-15"),
        ("2025-12-05", "2026-01-05"),
        ("2026-03-31", "2026-04-30"),
        ("2026-01-31", "2026-02-28"),
        ("2026-01-29", "2026-02-28"),
        ("2028-01-31", "2028-02-29"),
        ("2028-02-29", "2028-03-29"),
        ("2025-12-31", "2026-01-31"),
    ],
)
def test_next_delivery(last, following):
    assert next_delivery(date.fromisoformat(last)) == date.fromisoformat(following)


@pytest.mark.parametrize("moment", ["2026-03-01T23:30:00+00:00", "2026-03-02T08:30:00+09:00"])
def test_batch_name_goes_by_utc(moment):
    assert batch_name(datetime.fromisoformat(moment)) == "refill-2026-03-01"


def test_batch_of_the_present_moment():
    # Midnight may pass between the lines, so both days' names are asked for.
    before = batch_name(datetime.now(UTC))
    present = batch_name()
    assert present in (before, batch_name(datetime.now(UTC)))
