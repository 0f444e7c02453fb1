"""Which minutes there should be."""

from datetime import UTC, datetime, timedelta

from trader.adapters.calendar import load_calendar
from trader.adapters.ibkr.session_minutes import last_minutes, minutes_between

CALENDAR = load_calendar()
HALF_DAY_OPEN = datetime(2025, 7, 3, 13, 30, tzinfo=UTC)
HALF_DAY_CLOSE = datetime(2025, 7, 3, 17, tzinfo=UTC)
NEXT_OPEN = datetime(2025, 7, 7, 13, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_the_minutes_of_a_gap() -> None:
    after = HALF_DAY_OPEN + 5 * MINUTE
    assert minutes_between(CALENDAR, after, after + 2.5 * MINUTE) == [after + MINUTE, after + 2 * MINUTE]


def test_a_night_has_no_minutes() -> None:
    after = HALF_DAY_CLOSE - MINUTE
    assert minutes_between(CALENDAR, after, NEXT_OPEN + MINUTE) == [HALF_DAY_CLOSE, NEXT_OPEN + MINUTE]
    assert minutes_between(CALENDAR, HALF_DAY_CLOSE, NEXT_OPEN) == []


def test_no_gap_has_no_minutes() -> None:
    assert minutes_between(CALENDAR, NEXT_OPEN, NEXT_OPEN) == []
    assert minutes_between(CALENDAR, NEXT_OPEN + MINUTE, NEXT_OPEN) == []


def test_the_last_minutes_reach_over_a_weekend_and_a_half_day() -> None:
    found = last_minutes(CALENDAR, NEXT_OPEN + MINUTE, 211)
    assert found[0] == HALF_DAY_OPEN + MINUTE
    assert found[-2:] == [HALF_DAY_CLOSE, NEXT_OPEN + MINUTE]
    assert len(found) == 211


def test_no_minutes_are_asked_for_and_none_are_given() -> None:
    assert last_minutes(CALENDAR, NEXT_OPEN, 0) == []
