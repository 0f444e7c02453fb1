"""History: the market's bars of five seconds, put together into those that a client asks for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from gateway.contracts import ZONE
from gateway.layout import Row
from gateway.market import Bar
from gateway.messages import time_text
from gateway.request import Request

_SECONDS = {"sec": 1, "secs": 1, "min": 60, "mins": 60, "hour": 3_600, "hours": 3_600, "day": 86_400}
_DURATIONS = {"S": 1, "D": 86_400, "W": 7 * 86_400, "M": 31 * 86_400, "Y": 366 * 86_400}
_A_DAY_S = 86_400
_EPOCH_FORMAT = 2


class NoSuchHistory(ValueError):
    """A bar size, duration or end that no history has."""


def history(bars: Sequence[Bar], request: Request, now: datetime) -> list[Bar]:
    """The bars asked for, oldest first. Without an end: up to the newest bar there is."""
    end = _end(request.text("endDateTime")) or max([now, *(bar.starts_at for bar in bars[-1:])])
    start = end - timedelta(seconds=_seconds(request.text("duration"), _DURATIONS))
    return _grouped([bar for bar in bars if start <= bar.starts_at <= end], _bar_size_s(request))


def latest(bars: Sequence[Bar], request: Request) -> Bar:
    """The newest bar of the size asked for, as far as it has come."""
    return _grouped(bars, _bar_size_s(request))[-1]


def bar_row(bar: Bar, request: Request) -> Row:
    """One bar as history tells it."""
    return {"date": _date(bar.starts_at, _bar_size_s(request), request.whole("formatDate")), **bar.figures()}


def _grouped(bars: Sequence[Bar], size_s: int) -> list[Bar]:
    groups = (list(group) for _, group in groupby(bars, key=lambda bar: _start(bar.starts_at, size_s)))
    return [
        Bar(
            _start(group[0].starts_at, size_s),
            group[0].open,
            max(bar.high for bar in group),
            min(bar.low for bar in group),
            group[-1].close,
            sum(bar.volume for bar in group),
        )
        for group in groups
    ]


def _start(at: datetime, size_s: int) -> datetime:
    if size_s == _A_DAY_S:
        return at.astimezone(ZoneInfo(ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    epoch_s = int(at.timestamp())
    return datetime.fromtimestamp(epoch_s - epoch_s % size_s, UTC)


def _date(at: datetime, size_s: int, date_format: int) -> str:
    if size_s == _A_DAY_S:
        return f"{at.astimezone(ZoneInfo(ZONE)):%Y%m%d}"
    return str(int(at.timestamp())) if date_format == _EPOCH_FORMAT else time_text(at)


def _bar_size_s(request: Request) -> int:
    return _seconds(request.text("barSize"), _SECONDS)


def _seconds(text: str, units: dict[str, int]) -> int:
    amount, _, unit = text.partition(" ")
    if not amount.isdigit() or unit not in units:
        raise NoSuchHistory(f"Invalid step: {text}")
    return int(amount) * units[unit]


def _end(text: str) -> datetime | None:
    """An end as clients write it: with a zone, or `yyyymmdd-hh:mm:ss` in UTC; None when it is empty."""
    if not text:
        return None
    day, _, rest = text.replace("-", " ", 1).partition(" ")
    clock, _, zone = rest.partition(" ")
    try:
        at = datetime.strptime(f"{day} {clock} +0000", "%Y%m%d %H:%M:%S %z")
    except ValueError:
        raise NoSuchHistory(f"Invalid end date: {text}") from None
    return at.replace(tzinfo=ZoneInfo(zone or "UTC"))
