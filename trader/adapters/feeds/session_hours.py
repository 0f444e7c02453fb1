"""Which instants fall into a session, for whole columns of them."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from trader.domain.session import Calendar

if TYPE_CHECKING:  # polars is slow to import, and most commands read no bars
    import polars as pl

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000


class SessionHours:
    """Regular hours of the calendar, and which of its dates are wanted (New York, inclusive).

    A session begins and ends on one UTC date, and that is also its New York date.
    """

    def __init__(self, calendar: Calendar, start: date | None = None, end: date | None = None) -> None:
        self._calendar = calendar
        self.first, self.last = calendar.first, calendar.last
        self._from_us = day_us(start or calendar.first)
        self._until_us = day_us(end or calendar.last) + DAY_US
        self._bounds_us: dict[int, tuple[int, int]] = {}

    def of(self, at: "pl.Series") -> tuple["pl.Series", "pl.Series"]:
        """Say of each instant (microseconds since 1970, UTC) whether it is in a session, and whether in a wanted one.

        Raises ValueError, as the calendar does, for an instant outside the calendar.
        """
        import polars as pl

        bounds = pl.DataFrame(
            self._sessions((at // DAY_US).unique().to_list()),
            schema={"day": pl.Int64, "opens": pl.Int64, "closes": pl.Int64},
            orient="row",
        )
        instant = pl.col("at")
        rows = (
            pl.DataFrame({"at": at, "day": at // DAY_US})
            .join(bounds, on="day", how="left", maintain_order="left")
            .with_columns(inside=(instant >= pl.col("opens")) & (instant < pl.col("closes")))
            .with_columns(wanted=pl.col("inside") & (instant >= self._from_us) & (instant < self._until_us))
        )
        return rows["inside"], rows["wanted"]

    def _sessions(self, days: Iterable[int]) -> list[tuple[int, int, int]]:
        """Opening and close of each date, equal where there is no session."""
        for day in days:
            if day not in self._bounds_us:
                session = self._calendar.session((EPOCH + timedelta(days=day)).date())
                self._bounds_us[day] = (_us(session.opens_at), _us(session.closes_at)) if session else (0, 0)
        return [(day, *self._bounds_us[day]) for day in days]


def day_us(day: date) -> int:
    """The start of a UTC date, microseconds since 1970."""
    return (day - EPOCH.date()).days * DAY_US


def _us(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND
