"""Bars as Interactive Brokers sends them -> bars, or the fault for which they cannot be.

Sizes come as floats, for shares may be fractions there; a bar's volume is whole shares. -1 stands for an unknown volume
or count of trades; the unset number is near 1.8e308, and too large a price.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from trader.adapters.ibkr.minute_bars import FIVE_SECONDS, MINUTE, FiveSeconds
from trader.domain.market import VOLUME_CAP, Bar, bar_fault
from trader.domain.money import micros

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_S = 4_102_444_800  # the year 2100


class Sent(NamedTuple):
    """The fields of a bar, in dollars and shares."""

    starts_at_s: int
    """Seconds since 1970, UTC."""
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int

    @property
    def traded(self) -> bool:
        """Whether it is more than the last price again."""
        return self.volume > 0 or self.trades > 0


def five_seconds(symbol: str, sent: Sent) -> FiveSeconds:
    """A bar of five seconds. Raises ValueError, in a few words, for what cannot be one."""
    return FiveSeconds(_bar(symbol, sent, FIVE_SECONDS), sent.traded)


def minute_bar(symbol: str, sent: Sent) -> Bar | None:
    """A bar of one minute, None where nothing was traded. Raises ValueError for what cannot be one."""
    bar = _bar(symbol, sent, MINUTE)
    return bar if sent.traded else None


def epoch_s(text: str) -> int:
    """The time of a historical bar that was asked for in seconds since 1970. Raises ValueError for any other form."""
    if not text.isascii() or not text.isdigit():
        raise ValueError("its time is not in seconds since 1970")
    return int(text)


def _bar(symbol: str, sent: Sent, interval: timedelta) -> Bar:
    if not 0 < sent.starts_at_s < _LATEST_S or sent.starts_at_s % interval.total_seconds():
        raise ValueError("its time is not a bar's start")
    try:
        prices = [micros(price) for price in (sent.open, sent.high, sent.low, sent.close)]
    except ValueError:
        raise ValueError("a price is not a number") from None
    bar = Bar(symbol, _EPOCH + timedelta(seconds=sent.starts_at_s), *prices, _shares(sent.volume))
    fault = bar_fault(bar)
    if fault is not None:
        raise ValueError(fault)
    return bar


def _shares(volume: float) -> int:
    if volume == -1:
        return 0
    if not 0 <= volume <= VOLUME_CAP:
        raise ValueError("its volume cannot be")
    return int(volume)
