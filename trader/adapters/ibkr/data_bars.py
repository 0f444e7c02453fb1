"""Bars as Interactive Brokers sends them -> bars, or the fault for which they cannot be.

Sizes come as floats, for shares may be fractions there; a bar's volume is whole shares. -1 stands for an unknown volume
or count of trades; the unset number is near 1.8e308, and too large a price.
"""

from datetime import UTC, datetime, timedelta

from trader.adapters.ibkr.client_library import BarData
from trader.adapters.ibkr.messages import RealTimeBar
from trader.adapters.ibkr.minute_bars import FIVE_SECONDS, MINUTE, FiveSeconds
from trader.domain.market import VOLUME_CAP, Bar, bar_fault
from trader.domain.money import micros
from trader.domain.symbol import is_option

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_S = 4_102_444_800  # the year 2100


def five_seconds(symbol: str, sent: RealTimeBar) -> FiveSeconds:
    """A bar of five seconds. Raises ValueError, in a few words, for what cannot be one."""
    return FiveSeconds(_bar(symbol, sent, FIVE_SECONDS), _tells(symbol, sent))


def minute_bar(symbol: str, told: BarData) -> Bar | None:
    """A historical bar of one minute, None where nothing was traded. Raises ValueError for what cannot be one.

    Its time has to be asked for in seconds since 1970: in any other form it is in a zone that has to be guessed.
    """
    time = str(told.date)
    if not time.isascii() or not time.isdigit():
        raise ValueError("its time is not in seconds since 1970")
    sent = RealTimeBar(int(time), told.open, told.high, told.low, told.close, told.volume, told.barCount)
    bar = _bar(symbol, sent, MINUTE)
    return bar if _tells(symbol, sent) else None


def what_to_show(symbol: str) -> str:
    """Of what its bars are made. Most options are quoted all the time and traded now and then: what one is worth is
    between its bid and its ask.
    """
    return "MIDPOINT" if is_option(symbol) else "TRADES"


def _tells(symbol: str, sent: RealTimeBar) -> bool:
    """Whether it is more than the last price again. Odd lots may be trades without volume; a midpoint has none."""
    return sent.volume > 0 or sent.trades > 0 or is_option(symbol)


def _bar(symbol: str, sent: RealTimeBar, interval: timedelta) -> Bar:
    if not 0 < sent.time < _LATEST_S or sent.time % interval.total_seconds():
        raise ValueError("its time is not a bar's start")
    bar = Bar(
        symbol,
        _EPOCH + timedelta(seconds=sent.time),
        _price(sent.open),
        _price(sent.high),
        _price(sent.low),
        _price(sent.close),
        _shares(sent.volume),
    )
    fault = bar_fault(bar)
    if fault is not None:
        raise ValueError(fault)
    return bar


def _price(price_usd: float) -> int:
    try:
        return micros(price_usd)
    except ValueError:
        raise ValueError("a price is not a number") from None


def _shares(volume: float) -> int:
    if volume == -1:
        return 0
    if not 0 <= volume <= VOLUME_CAP:
        raise ValueError("its volume cannot be")
    return int(volume)
