"""The trading day: which phase it is, decided from the clock alone.

Rule 1: times of a session come from the exchange's calendar in New York time, half days included.
Rule 2: a phase is a function of `now`. No flag remembers that something was done, so a restart in the middle of the
flatten window changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Phase(StrEnum):
    """One table, in the order of the day."""

    CLOSED = "closed"
    OPEN = "open"
    ENTRIES_STOPPED = "entries_stopped"
    FLATTEN = "flatten"
    FLAT_BY_NOW = "flat_by_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDay:
    """One exchange session. All times aware UTC."""

    day: date
    opens_at: datetime
    closes_at: datetime
    entries_stop_at: datetime
    flatten_at: datetime
    flat_by_at: datetime
    half_day: bool
    next_day: date
    """Of the session after it: what expires before that has its last trading day now, or has had it."""

    def trades_at(self, now: datetime) -> bool:
        """Whether the exchange is open."""
        return self.opens_at <= now < self.closes_at

    def must_be_flat_at(self, now: datetime) -> bool:
        """Whether everything has to go: the last minutes of the session."""
        return self.flatten_at <= now < self.closes_at

    def phase(self, now: datetime) -> Phase:
        """Say which phase `now` falls into."""
        if not self.trades_at(now):
            return Phase.CLOSED
        if now < self.entries_stop_at:
            return Phase.OPEN
        if now < self.flatten_at:
            return Phase.ENTRIES_STOPPED
        if now < self.flat_by_at:
            return Phase.FLATTEN
        return Phase.FLAT_BY_NOW

    def on_grid(self, interval: timedelta) -> "SessionDay":
        """Move each cut-off to the last bar end at or before it.

        A daemon that looks only when a bar ends must not wake up after a cut-off: with 30-minute bars the flatten of
        15:50 has to be decided at 15:30.
        """

        def floor(at: datetime) -> datetime:
            return max(self.opens_at, at - (at - self.opens_at) % interval)

        return SessionDay(
            day=self.day,
            opens_at=self.opens_at,
            closes_at=self.closes_at,
            entries_stop_at=floor(self.entries_stop_at),
            flatten_at=floor(self.flatten_at),
            flat_by_at=min(max(floor(self.flatten_at) + interval, self.flat_by_at), self.closes_at),
            half_day=self.half_day,
            next_day=self.next_day,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoffs:
    """Minutes before the close at which each phase begins."""

    entries_stop_min: int = 15
    flatten_min: int = 10
    flat_by_min: int = 5

    def __post_init__(self) -> None:
        if not self.entries_stop_min >= self.flatten_min > self.flat_by_min > 0:
            raise ValueError(
                "session cut-offs must be in order: entries_stop_min >= flatten_min > flat_by_min > 0, "
                f"not {self.entries_stop_min}, {self.flatten_min}, {self.flat_by_min}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The exchange's sessions from `first` to `last`; a date outside is an error, never a guess.

    `closures` are weekdays without a session; `early_closes` maps half days to their close, New York time.
    """

    first: date
    last: date
    closures: frozenset[date]
    early_closes: Mapping[date, time]
    cutoffs: Cutoffs = Cutoffs()

    def session(self, day: date) -> SessionDay | None:
        """The session of a New York date, or None on a weekend or holiday."""
        if not self.first <= day <= self.last:
            raise ValueError(f"the calendar knows {self.first} to {self.last}, not {day}")
        if not self._trades_on(day):
            return None
        close = self.early_closes.get(day, time(16))
        closes_at = datetime.combine(day, close, NEW_YORK).astimezone(UTC)
        return SessionDay(
            day=day,
            opens_at=datetime.combine(day, time(9, 30), NEW_YORK).astimezone(UTC),
            closes_at=closes_at,
            entries_stop_at=closes_at - timedelta(minutes=self.cutoffs.entries_stop_min),
            flatten_at=closes_at - timedelta(minutes=self.cutoffs.flatten_min),
            flat_by_at=closes_at - timedelta(minutes=self.cutoffs.flat_by_min),
            half_day=close < time(16),
            next_day=self._day_after(day),
        )

    def _trades_on(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self.closures

    def _day_after(self, day: date) -> date:
        """The day of the next session; the end of time where the calendar knows of none."""
        while day < self.last:
            day += timedelta(days=1)
            if self._trades_on(day):
                return day
        return date.max

    def session_at(self, now: datetime) -> SessionDay | None:
        """The session of the New York date that `now` falls on."""
        return self.session(new_york_date(now))

    def sessions_back(self, day: date, count: int) -> date:
        """The date of the session so many before a date's; the calendar's first date where it knows no more."""
        while count and day > self.first:
            day -= timedelta(days=1)
            count -= self.session(day) is not None
        return day

    def next_session(self, after: date) -> SessionDay:
        """The first session after a date."""
        day = after + timedelta(days=1)
        while (session := self.session(day)) is None:
            day += timedelta(days=1)
        return session


def new_york_date(now: datetime) -> date:
    """The exchange's date at an instant."""
    return now.astimezone(NEW_YORK).date()


def new_york_day(day: date) -> tuple[datetime, datetime]:
    """The exchange's date, from its midnight to the next, aware UTC: 23 or 25 hours when the clocks change."""
    begins, ends = (datetime.combine(date_, time(0), NEW_YORK) for date_ in (day, day + timedelta(days=1)))
    return begins.astimezone(UTC), ends.astimezone(UTC)


@lru_cache(maxsize=256)
def microseconds(at: datetime) -> int:
    """Microseconds since 1970 UTC of an aware datetime, exactly: how times are stored."""
    return (at - _EPOCH) // _MICROSECOND
