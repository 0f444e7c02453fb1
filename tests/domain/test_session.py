"""The trading day's phases, from the clock alone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from builders import AUTUMN, CALENDAR, HALF_DAY, MONDAY, SPRING, new_york, session_of

from trader.domain.session import Cutoffs, Phase, new_york_date

SECOND = timedelta(seconds=1)

FULL_DAY = [
    ("09:29:59", Phase.CLOSED),
    ("09:30:00", Phase.OPEN),
    ("15:44:59", Phase.OPEN),
    ("15:45:00", Phase.ENTRIES_STOPPED),
    ("15:49:59", Phase.ENTRIES_STOPPED),
    ("15:50:00", Phase.FLATTEN),
    ("15:54:59", Phase.FLATTEN),
    ("15:55:00", Phase.FLAT_BY_NOW),
    ("15:59:59", Phase.FLAT_BY_NOW),
    ("16:00:00", Phase.CLOSED),
]
SHORT_DAY = [
    ("12:44:59", Phase.OPEN),
    ("12:45:00", Phase.ENTRIES_STOPPED),
    ("12:50:00", Phase.FLATTEN),
    ("12:55:00", Phase.FLAT_BY_NOW),
    ("13:00:00", Phase.CLOSED),
    ("15:00:00", Phase.CLOSED),
]


@pytest.mark.parametrize("day", [MONDAY, SPRING, AUTUMN, date(2025, 3, 7), date(2025, 10, 31)])
@pytest.mark.parametrize(("clock", "phase"), FULL_DAY)
def test_phases_of_a_full_day_are_new_york_times_in_every_season(day: date, clock: str, phase: Phase) -> None:
    assert session_of(day).phase(new_york(clock, day)) is phase


@pytest.mark.parametrize("day", [HALF_DAY, date(2025, 11, 28), date(2025, 12, 24)])
@pytest.mark.parametrize(("clock", "phase"), SHORT_DAY)
def test_phases_of_a_half_day_move_with_its_close(day: date, clock: str, phase: Phase) -> None:
    assert session_of(day).half_day
    assert session_of(day).phase(new_york(clock, day)) is phase


def test_the_close_in_utc_is_not_the_same_hour_all_year() -> None:
    """Incident 1 fixed the close at 20:00 UTC: wrong half of the year, and on half days."""
    closes = {session_of(day).closes_at.hour for day in (MONDAY, AUTUMN, HALF_DAY)}
    assert closes == {20, 21, 17}


@pytest.mark.parametrize("day", [date(2025, 6, 21), date(2025, 6, 22), date(2025, 6, 19), date(2025, 7, 4)])
def test_weekends_and_holidays_have_no_session(day: date) -> None:
    assert CALENDAR.session(day) is None
    assert CALENDAR.session_at(new_york("12:00", day)) is None


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2041, 1, 1)])
def test_a_date_that_the_calendar_does_not_know_is_an_error_and_no_guess(day: date) -> None:
    with pytest.raises(ValueError, match="the calendar knows"):
        CALENDAR.session(day)


def test_the_next_session_jumps_over_holiday_and_weekend() -> None:
    assert CALENDAR.next_session(HALF_DAY).day == date(2025, 7, 7)


def test_the_exchange_date_is_new_yorks() -> None:
    assert new_york_date(datetime(2025, 6, 24, 3, 59, 59, tzinfo=UTC)) == MONDAY
    assert new_york_date(datetime(2025, 6, 24, 4, tzinfo=UTC)) == date(2025, 6, 24)


@pytest.mark.parametrize(
    ("minutes", "stop", "flatten", "flat_by"),
    [
        (1, "15:45", "15:50", "15:55"),
        (5, "15:45", "15:50", "15:55"),
        (30, "15:30", "15:30", "16:00"),
        (60, "15:30", "15:30", "16:00"),
    ],
)
def test_cutoffs_are_taken_at_the_bar_end_before_them(minutes: int, stop: str, flatten: str, flat_by: str) -> None:
    """A look only every 30 minutes must not sleep over the flatten of 15:50."""
    grid = session_of().on_grid(timedelta(minutes=minutes))
    assert grid.entries_stop_at == new_york(stop)
    assert grid.flatten_at == new_york(flatten)
    assert grid.flat_by_at == new_york(flat_by)
    assert (grid.opens_at, grid.closes_at) == (session_of().opens_at, session_of().closes_at)


def test_a_bar_longer_than_the_session_allows_no_entry() -> None:
    grid = session_of().on_grid(timedelta(days=1))
    assert grid.phase(grid.opens_at) is Phase.FLATTEN


@pytest.mark.parametrize("cutoffs", [(10, 15, 5), (15, 5, 5), (15, 10, 0), (15, 10, 12)])
def test_cutoffs_out_of_order_are_refused(cutoffs: tuple[int, int, int]) -> None:
    stop, flatten, flat_by = cutoffs
    with pytest.raises(ValueError, match="in order"):
        Cutoffs(entries_stop_min=stop, flatten_min=flatten, flat_by_min=flat_by)
