"""Which New York dates a report is of."""

from calendar import monthrange
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from trader.adapters.sqlite.rows import to_us
from trader.domain.errors import ConfigurationError
from trader.domain.session import new_york_day
from trader.domain.spelling import did_you_mean


class Span(StrEnum):
    """What a report may be of."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    RANGE = "range"


class Period(NamedTuple):
    """From the midnight before the first date to the midnight after the last, in New York."""

    span: Span
    first: date
    last: date

    @property
    def bounds_us(self) -> tuple[int, int]:
        """In stored time; the end is not part of it."""
        return to_us(new_york_day(self.first)[0]), to_us(new_york_day(self.last)[1])

    @property
    def name(self) -> str:
        """As it stands in a file's name: `2025-06-23`, `2025-W26`, `2025-06`, `2025-06-23_2025-07-04`."""
        year, week, _ = self.first.isocalendar()
        return {
            Span.DAY: f"{self.first}",
            Span.WEEK: f"{year}-W{week:02}",
            Span.MONTH: f"{self.first:%Y-%m}",
            Span.RANGE: f"{self.first}_{self.last}",
        }[self.span]


def span_of(text: str) -> Span:
    """The span of this name. Raises ConfigurationError."""
    if text not in list(Span):
        raise ConfigurationError(
            f"there is no report of a {text!r}; there are {', '.join(Span)}{did_you_mean(text, Span)}"
        )
    return Span(text)


def period_of(span: Span, texts: list[str], newest: date) -> Period:
    """The period somebody typed; without a date the newest there is. Raises ConfigurationError."""
    most = 2 if span is Span.RANGE else 1
    if len(texts) > most or (span is Span.RANGE and len(texts) != most):
        wanted = "two dates, 2025-06-23 2025-07-04" if span is Span.RANGE else "at most one date"
        raise ConfigurationError(f"a report of a {span} takes {wanted}; got {' '.join(texts) or 'none'}")
    dates = [_date(span, text) for text in texts] or [newest]
    if dates[-1] < dates[0]:
        raise ConfigurationError(f"a report's last date {dates[-1]} is before its first, {dates[0]}")
    return Period(span, *_around(span, dates))


def _around(span: Span, dates: list[date]) -> tuple[date, date]:
    day = dates[0]
    if span is Span.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    if span is Span.MONTH:
        return day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    return day, dates[-1]


def _date(span: Span, text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01" if span is Span.MONTH and text.count("-") == 1 else text)
    except ValueError as error:
        raise ConfigurationError(f"the date {text!r} of a report: write it as 2025-06-23") from error
