"""The calendar table against the package it was made from, and what an operator may change in it."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import exchange_calendars  # type: ignore[import-untyped]
import pytest

from trader.adapters.calendar import load_calendar
from trader.domain.errors import ConfigurationError
from trader.domain.session import Cutoffs, Phase, SessionDay

FIRST, LAST = date(2000, 1, 1), date(2040, 12, 31)
CALENDAR = load_calendar()
CHRISTMAS_EVE, CHRISTMAS = date(2025, 12, 24), date(2025, 12, 25)


@pytest.mark.filterwarnings("ignore:Series.values")  # the package, under a newer pandas
def test_every_session_of_forty_years_opens_and_closes_as_the_exchange_says() -> None:
    schedule = exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat(), end=LAST.isoformat()).schedule
    expected = {
        label.date(): (opens.to_pydatetime(), closes.to_pydatetime())
        for label, opens, closes in zip(schedule.index, schedule["open"], schedule["close"], strict=True)
    }
    days = (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))
    sessions = [session for day in days if (session := CALENDAR.session(day)) is not None]
    assert {session.day: (session.opens_at, session.closes_at) for session in sessions} == expected
    assert len(sessions) > 10_000


def test_times_of_a_session_are_utc() -> None:
    session = CALENDAR.session(date(2025, 6, 16))
    assert session is not None
    assert {session.opens_at.tzinfo, session.closes_at.tzinfo, session.flatten_at.tzinfo} == {UTC}


@pytest.mark.parametrize(
    ("day", "opens_utc"),
    [
        (date(2025, 3, 7), time(14, 30)),
        (date(2025, 3, 10), time(13, 30)),
        (date(2025, 10, 31), time(13, 30)),
        (date(2025, 11, 3), time(14, 30)),
    ],
)
def test_the_open_stays_at_half_past_nine_in_new_york_when_clocks_change(day: date, opens_utc: time) -> None:
    session = CALENDAR.session(day)
    assert session is not None
    assert session.opens_at == datetime.combine(day, opens_utc, UTC)
    assert session.closes_at - session.opens_at == timedelta(hours=6, minutes=30)


@pytest.mark.parametrize("day", [date(2025, 7, 3), date(2025, 11, 28), CHRISTMAS_EVE])
def test_half_days_close_at_one_and_their_cutoffs_move_with_them(day: date) -> None:
    session = CALENDAR.session(day)
    assert session is not None
    assert session.half_day
    assert session.closes_at - session.opens_at == timedelta(hours=3, minutes=30)
    assert session.phase(session.closes_at - timedelta(minutes=10)) is Phase.FLATTEN


@pytest.mark.parametrize("day", [date(2025, 1, 9), date(2012, 10, 29), date(2001, 9, 11), CHRISTMAS, date(2025, 6, 14)])
def test_no_session_on_holidays_weekends_and_days_of_mourning(day: date) -> None:
    assert CALENDAR.session(day) is None


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2041, 1, 1)])
def test_a_date_outside_the_table_is_an_error(day: date) -> None:
    with pytest.raises(ValueError, match="the calendar knows 2000-01-01 to 2040-12-31"):
        CALENDAR.session(day)


def test_cutoffs_are_taken_over() -> None:
    session = load_calendar(Cutoffs(entries_stop_min=60, flatten_min=30, flat_by_min=20)).session(CHRISTMAS_EVE)
    assert session is not None
    assert session.closes_at - session.flatten_at == timedelta(minutes=30)


def test_an_override_closes_a_day() -> None:
    day = date(2025, 6, 16)
    assert CALENDAR.session(day) is not None
    assert load_calendar(overrides={day: None}).session(day) is None
    assert load_calendar(overrides={CHRISTMAS_EVE: None}).session(CHRISTMAS_EVE) is None


def test_an_override_moves_the_close() -> None:
    day = date(2025, 6, 16)
    session = load_calendar(overrides={day: time(14, 15)}).session(day)
    assert session is not None
    assert session.closes_at == datetime(2025, 6, 16, 18, 15, tzinfo=UTC)
    assert session.half_day


def test_an_override_makes_a_half_day_whole() -> None:
    session = load_calendar(overrides={CHRISTMAS_EVE: time(16)}).session(CHRISTMAS_EVE)
    assert session is not None
    assert not session.half_day
    assert session.closes_at == datetime(2025, 12, 24, 21, tzinfo=UTC)


def test_an_override_turns_a_holiday_into_a_session() -> None:
    session = load_calendar(overrides={CHRISTMAS: time(13)}).session(CHRISTMAS)
    assert session is not None
    assert session.opens_at == datetime(2025, 12, 25, 14, 30, tzinfo=UTC)
    assert session.closes_at == datetime(2025, 12, 25, 18, tzinfo=UTC)


def _by_itself(session: SessionDay | None) -> SessionDay | None:
    """Without its word on which session is the next."""
    return replace(session, next_day=session.day) if session is not None else None


def test_an_override_changes_no_other_day() -> None:
    changed = load_calendar(overrides={CHRISTMAS: time(13), CHRISTMAS_EVE: None})
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(365)]
    differing = [day for day in days if _by_itself(changed.session(day)) != _by_itself(CALENDAR.session(day))]
    assert differing == [CHRISTMAS_EVE, CHRISTMAS]


@pytest.mark.parametrize(
    ("day", "close", "complaint"),
    [
        (date(2041, 1, 2), None, "the calendar knows"),
        (date(2025, 6, 14), time(13), "that is a Saturday"),
        (CHRISTMAS, time(9, 30), "after 09:30"),
        (CHRISTMAS, time(17), "at most 16:00"),
        (CHRISTMAS, time(13, tzinfo=UTC), "without a zone"),
    ],
)
def test_an_override_that_cannot_be_is_refused_by_date(day: date, close: time | None, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as refusal:
        load_calendar(overrides={day: close})
    assert str(day) in str(refusal.value)
