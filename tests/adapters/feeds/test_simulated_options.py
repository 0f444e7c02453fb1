"""Options of the embedded market: the formula that its documentation gives, on its underlying's bars."""

from datetime import UTC, date, datetime, timedelta
from math import exp

import pytest

from trader.adapters.calendar import load_calendar
from trader.adapters.feeds.simulated_market import SimulatedMarket
from trader.adapters.feeds.simulated_options import premiums
from trader.domain.errors import ConfigurationError
from trader.domain.market import Bar, bar_fault
from trader.domain.symbol import option_of

CALENDAR = load_calendar()
MONDAY, FRIDAY, NEXT_MONDAY = date(2025, 6, 23), date(2025, 6, 27), date(2025, 6, 30)
CALL, PUT = "QQQ250627C00500000", "QQQ250627P00500000"
MINUTE = timedelta(minutes=1)
START = datetime(2025, 7, 1, 19, 59, tzinfo=UTC)
"""The last minute of a session."""


def premium(symbol: str, price: float, *, years: float) -> float:
    bar = Bar.in_dollars("QQQ", START, price, price, price, price)
    expires = option_of(symbol)._replace(expiry=START.date() + timedelta(days=years * 365))
    [made] = premiums(expires, [bar], MINUTE)
    return made.close


@pytest.mark.parametrize(("years", "at_the_money"), [(1.0, 49.74), (0.2, 22.29), (0.0, 0.01)])
def test_a_premium_at_the_money_is_that_of_the_formula(years: float, at_the_money: float) -> None:
    """2 N(0.125) - 1 is 0.09948."""
    assert premium(CALL, 500.0, years=years) == at_the_money
    assert premium(PUT, 500.0, years=years) == at_the_money


def test_call_and_put_differ_by_what_the_underlying_is_beyond_the_strike() -> None:
    for price in (300.0, 450.0, 510.0, 900.0):
        difference = premium(CALL, price, years=0.5) - premium(PUT, price, years=0.5)
        assert difference == pytest.approx(price - 500.0, abs=0.011)


def test_far_out_of_the_money_it_is_a_cent() -> None:
    assert premium(CALL, 10.0, years=0.1) == 0.01
    assert premium(PUT, 500.0 * exp(3), years=0.1) == 0.01


def test_bars_of_an_option_stand_beside_its_underlyings_until_it_expires() -> None:
    market, without = SimulatedMarket(7, CALENDAR, [CALL, PUT]), SimulatedMarket(7, CALENDAR)
    assert market.symbols == (*without.symbols, CALL, PUT)
    day = list(market.session_bars(MONDAY))
    assert [bars.bars[:-2] for bars in day] == [bars.bars for bars in without.session_bars(MONDAY)]
    for bar_time in day:
        qqq, call, put = bar_time.bars[0], *bar_time.bars[-2:]
        assert (call.symbol, put.symbol, call.timestamp) == (CALL, PUT, qqq.timestamp)
        assert bar_fault(call) is bar_fault(put) is None
        assert call.close - put.close == pytest.approx(qqq.close - 500.0, abs=0.011)
    last = list(market.session_bars(FRIDAY))[-1].bars
    assert last[-2].close + last[-1].close == pytest.approx(abs(last[0].close - 500.0), abs=0.021)
    assert {len(bars.bars) for bars in market.session_bars(NEXT_MONDAY)} == {len(without.symbols)}


def test_an_option_on_what_is_not_traded_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the embedded market has no IBM, and so no IBM250627C00500000"):
        SimulatedMarket(7, CALENDAR, ["IBM250627C00500000"])
