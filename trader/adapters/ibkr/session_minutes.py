"""Which minutes there should be: those of regular hours, by the exchange's calendar."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from trader.adapters.ibkr.minute_bars import MINUTE
from trader.domain.session import Calendar, SessionDay, new_york_date

_DAY = timedelta(days=1)


def minutes_between(calendar: Calendar, after: datetime, until: datetime) -> list[datetime]:
    """The ends of all minutes that ended later than `after` and not later than `until`, oldest first."""
    ends: list[datetime] = []
    day = new_york_date(after)
    while day <= new_york_date(until):
        session = calendar.session(day)
        if session is not None:
            ends += (end for end in _minute_ends(session) if after < end <= until)
        day += _DAY
    return ends


def last_minutes(calendar: Calendar, before: datetime, number: int) -> list[datetime]:
    """The ends of the last minutes that ended by an instant, oldest first; fewer where the calendar begins."""
    ends: list[datetime] = []
    day = new_york_date(before)
    while len(ends) < number and day >= calendar.first:
        session = calendar.session(day)
        if session is not None:
            ends = [end for end in _minute_ends(session) if end <= before] + ends
        day -= _DAY
    return ends[-number:] if number else []


def _minute_ends(session: SessionDay) -> Iterator[datetime]:
    end = session.opens_at + MINUTE
    while end <= session.closes_at:
        yield end
        end += MINUTE
