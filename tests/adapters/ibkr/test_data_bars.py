"""Bars as the broker sends them: what they are, and what is refused."""

from datetime import UTC, datetime

import pytest

from trader.adapters.ibkr.client_library import BarData
from trader.adapters.ibkr.data_bars import five_seconds, minute_bar, what_to_show
from trader.adapters.ibkr.messages import RealTimeBar
from trader.domain.market import Bar

OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
GOOD = RealTimeBar(int(OPEN.timestamp()), 500.1, 500.2, 500.0, 500.15, 1200.0, 7)
UNSET = 1.7976931348623157e308


def historical(sent: RealTimeBar, date: str = "") -> BarData:
    """The same as it comes in an answer."""
    bar = BarData(
        open=sent.open,
        high=sent.high,
        low=sent.low,
        close=sent.close,
        volume=sent.volume,
        barCount=sent.trades,
    )
    bar.date = date or str(sent.time)  # type: ignore[assignment]  # as it comes off the wire
    return bar


def test_prices_come_in_exactly() -> None:
    bar = Bar("QQQ", OPEN, 500_100_000, 500_200_000, 500_000_000, 500_150_000, 1200)
    assert five_seconds("QQQ", GOOD).bar == bar
    assert minute_bar("QQQ", historical(GOOD)) == bar


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (GOOD._replace(open=float("nan")), "a price is not a number"),
        (GOOD._replace(low=float("-inf")), "a price is not a number"),
        (GOOD._replace(high=UNSET), "price too large"),
        (GOOD._replace(low=-1.0), "price not positive"),
        (GOOD._replace(close=0.0), "price not positive"),
        (GOOD._replace(high=499.0), "high below low"),
        (GOOD._replace(close=501.0), "close outside low..high"),
        (GOOD._replace(volume=float("nan")), "its volume cannot be"),
        (GOOD._replace(volume=-5.0), "its volume cannot be"),
        (GOOD._replace(volume=UNSET), "its volume cannot be"),
        (GOOD._replace(time=GOOD.time + 3), "its time is not a bar's start"),
        (GOOD._replace(time=0), "its time is not a bar's start"),
        (GOOD._replace(time=10**12), "its time is not a bar's start"),
    ],
)
def test_what_cannot_be_a_bar_is_refused(sent: RealTimeBar, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        five_seconds("QQQ", sent)


def test_a_minute_starts_at_a_full_minute() -> None:
    with pytest.raises(ValueError, match="not a bar's start"):
        minute_bar("QQQ", historical(GOOD._replace(time=GOOD.time + 5)))


@pytest.mark.parametrize("volume", [0.0, -1.0])
def test_a_bar_without_a_trade_is_none(volume: float) -> None:
    quiet = GOOD._replace(volume=volume, trades=0)
    assert not five_seconds("QQQ", quiet).traded
    assert minute_bar("QQQ", historical(quiet)) is None


def test_odd_lots_are_trades() -> None:
    assert five_seconds("QQQ", GOOD._replace(volume=0.0)).traded


@pytest.mark.parametrize("date", ["20261120  14:30:00", "20261120 09:30:00 US/Eastern", " ", "-5", "\u0663"])
def test_a_time_in_some_zone_is_refused(date: str) -> None:
    with pytest.raises(ValueError, match="seconds since 1970"):
        minute_bar("QQQ", historical(GOOD, date))


def test_the_date_of_a_daily_bar_is_no_time() -> None:
    with pytest.raises(ValueError, match="not a bar's start"):
        minute_bar("QQQ", historical(GOOD, "20261121"))


def test_a_midpoint_of_an_option_is_a_price_though_nobody_has_traded() -> None:
    quoted = RealTimeBar(1_735_830_000, 4.0, 4.1, 3.9, 4.05, -1, -1)
    assert five_seconds("QQQ261218C00500000", quoted).traded
    assert not five_seconds("QQQ", quoted).traded
    assert (what_to_show("QQQ261218C00500000"), what_to_show("QQQ")) == ("MIDPOINT", "TRADES")
