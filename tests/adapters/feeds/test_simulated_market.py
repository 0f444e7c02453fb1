"""The embedded market: the same from any start, and enough like a market to learn something from."""

import hashlib
import os
import subprocess
import sys
from datetime import date, time, timedelta
from functools import cache
from itertools import pairwise
from math import log, sqrt
from random import Random
from statistics import correlation, linear_regression, mean, median

import pytest

from trader.adapters.calendar import load_calendar
from trader.adapters.feeds.simulated_levels import ORIGIN, DayLevel, Levels, Regimes
from trader.adapters.feeds.simulated_market import SimulatedMarket
from trader.adapters.feeds.simulated_paths import path
from trader.domain.market import Bar, BarTime, bar_fault
from trader.domain.session import Calendar

CALENDAR = load_calendar()
MONDAY, FRIDAY, HALF_DAY, HOLIDAY = date(2025, 6, 16), date(2025, 6, 20), date(2025, 7, 3), date(2025, 7, 4)
SEED = 7
FAMILY = [("TQQQ", 3), ("PSQ", -1), ("SQQQ", -3)]


def play(seed: int, *days: date, calendar: Calendar = CALENDAR) -> list[BarTime]:
    """The bars of the last of the days, by a market that played the others before."""
    market = SimulatedMarket(seed, calendar)
    return [list(market.session_bars(day)) for day in days][-1]


@cache
def quarter() -> list[dict[str, list[Bar]]]:
    """Fifty-nine sessions of the first months of 2025: for each, the bars by symbol."""
    market = SimulatedMarket(SEED, CALENDAR)
    weekdays = [date(2025, 1, 2) + timedelta(days=n) for n in range(86)]
    sessions = [list(market.session_bars(day)) for day in weekdays]
    return [
        {symbol: [bar_time.bars[place] for bar_time in session] for place, symbol in enumerate(market.symbols)}
        for session in sessions
        if session
    ]


def returns(bars: list[Bar]) -> list[float]:
    """From close to close, within a session."""
    return [after.close / before.close - 1 for before, after in pairwise(bars)]


def all_returns(symbol: str) -> list[float]:
    return [one for session in quarter() for one in returns(session[symbol])]


def realised_volatility(session: dict[str, list[Bar]]) -> float:
    return sqrt(sum(one * one for one in returns(session["QQQ"])))


# The same bars, always.

PROGRAM = f"""
from datetime import date
from hashlib import sha256
from trader.adapters.calendar import load_calendar
from trader.adapters.feeds.simulated_market import SimulatedMarket
bars = list(SimulatedMarket({SEED}, load_calendar()).session_bars(date.fromisoformat("{MONDAY}")))
print(sha256(repr(bars).encode()).hexdigest())
"""


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_every_process_makes_the_same_bars(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == hashlib.sha256(repr(play(SEED, MONDAY)).encode()).hexdigest()


def test_a_session_is_the_same_wherever_the_run_started() -> None:
    expected = play(SEED, FRIDAY)
    assert len(expected) == 390
    assert play(SEED, MONDAY, date(2025, 6, 17), date(2025, 6, 18), FRIDAY) == expected
    assert play(SEED, date(2031, 5, 5), date(2003, 5, 5), FRIDAY) == expected


def test_a_closure_of_the_exchange_changes_no_other_session() -> None:
    closed = load_calendar(overrides={MONDAY: None})
    assert play(SEED, MONDAY, calendar=closed) == []
    assert play(SEED, FRIDAY, calendar=closed) == play(SEED, FRIDAY)


def test_another_seed_makes_another_market() -> None:
    assert play(SEED, MONDAY) != play(SEED + 1, MONDAY)


def test_the_market_of_a_seed_does_not_change_between_versions() -> None:
    """A book that is resumed under a newer version finds the prices it has seen."""
    closes = {bar.symbol: bar.close for bar in play(SEED, MONDAY)[-1].bars}
    assert closes == {
        "QQQ": 489.34,
        "TQQQ": 62.51,
        "PSQ": 47.82,
        "SQQQ": 35.99,
        "AAPL": 183.12,
        "MSFT": 372.04,
        "NVDA": 118.63,
        "AMZN": 174.59,
        "GOOGL": 162.88,
        "META": 664.87,
        "TSLA": 168.9,
        "JPM": 237.68,
    }


# Sessions.


@pytest.mark.parametrize(("day", "minutes"), [(MONDAY, 390), (HALF_DAY, 210), (HOLIDAY, 0), (date(2025, 6, 14), 0)])
def test_a_session_has_one_bar_a_minute_and_closed_days_have_none(day: date, minutes: int) -> None:
    assert len(play(SEED, day)) == minutes


@pytest.mark.parametrize("day", [MONDAY, HALF_DAY])
def test_bars_run_from_the_open_to_the_close_with_every_symbol_in_each(day: date) -> None:
    session, played = CALENDAR.session(day), play(SEED, day)
    assert session is not None
    assert played[0].ends_at == session.opens_at + timedelta(minutes=1)
    assert played[-1].ends_at == session.closes_at
    assert {after.ends_at - before.ends_at for before, after in pairwise(played)} == {timedelta(minutes=1)}
    symbols = SimulatedMarket(SEED, CALENDAR).symbols
    assert len(symbols) >= 12
    for bar_time in played:
        assert tuple(bar.symbol for bar in bar_time.bars) == symbols
        assert {bar.timestamp + bar_time.interval for bar in bar_time.bars} == {bar_time.ends_at}


def test_a_date_outside_the_calendar_is_an_error() -> None:
    with pytest.raises(ValueError, match="the calendar knows"):
        play(SEED, date(2041, 1, 2))


def test_a_date_before_the_market_began_is_an_error() -> None:
    older = Calendar(first=date(1999, 1, 1), last=FRIDAY, closures=frozenset(), early_closes={HALF_DAY: time(13)})
    with pytest.raises(ValueError, match="begins on 2000-01-03"):
        play(SEED, date(1999, 12, 31), calendar=older)


# Bars.


def test_no_bar_is_impossible() -> None:
    faults = {bar_fault(bar) for session in quarter() for bars in session.values() for bar in bars}
    assert faults == {None}


def test_prices_are_whole_cents_and_every_bar_has_volume() -> None:
    for bars in quarter()[0].values():
        for bar in bars:
            assert {price % 10_000 for price in bar[2:6]} == {0}
            assert bar.volume > 0


def test_a_bar_opens_near_the_close_before() -> None:
    for session in quarter():
        usual = median(map(abs, returns(session["QQQ"])))
        strays = [abs(after.open / before.close - 1) for before, after in pairwise(session["QQQ"])]
        assert 0 < mean(strays) < usual


def test_highs_and_lows_lie_beyond_open_and_close() -> None:
    bars = [bar for session in quarter() for bar in session["QQQ"]]
    beyond = [bar for bar in bars if bar.low < min(bar.open, bar.close) < max(bar.open, bar.close) < bar.high]
    assert len(beyond) > 0.8 * len(bars)
    wicks = mean((bar.high - bar.low) / max(abs(bar.close - bar.open), 0.01) for bar in bars)
    assert wicks > 1.5


def test_prices_stay_where_such_prices_are() -> None:
    market = SimulatedMarket(SEED, CALENDAR)
    firsts = [next(market.session_bars(CALENDAR.next_session(date(year, 2, 1)).day)) for year in range(2000, 2041)]
    prices = [bar.close for bar_time in firsts for bar in bar_time.bars]
    assert 5 < min(prices) < max(prices) < 2_000


@pytest.mark.parametrize("seed", range(5))
def test_levels_are_pulled_back_over_forty_years(seed: int) -> None:
    levels = Levels(seed, "market", 0.011, Regimes(seed))
    weekdays = [day for n in range(14_900) if (day := ORIGIN + timedelta(days=n)).weekday() < 5]
    opens = [levels.on(day).open for day in weekdays]
    assert abs(mean(opens)) < 0.08
    assert 0.2 < max(map(abs, opens)) < 0.8


@pytest.mark.parametrize("minutes", [210, 390])
def test_a_path_leads_from_the_level_of_the_open_to_that_of_the_close(minutes: int) -> None:
    level = DayLevel(open=0.10, close=0.13, volatility=0.01, wild=False)
    walked = path(level, minutes, Random(SEED))
    assert (len(walked.closes), walked.opens[0]) == (minutes, level.open)
    assert walked.closes[-1] == pytest.approx(level.close)
    assert sum(walked.variances) == pytest.approx(level.volatility**2)


# The QQQ family.


@pytest.mark.parametrize(("symbol", "leverage"), FAMILY)
def test_a_fund_moves_its_leverage_times_qqq_in_every_bar(symbol: str, leverage: int) -> None:
    underlying, fund = all_returns("QQQ"), all_returns(symbol)
    assert linear_regression(underlying, fund).slope == pytest.approx(leverage, rel=0.02)
    assert 0.98 < abs(correlation(underlying, fund)) < 0.999


@pytest.mark.parametrize(("symbol", "leverage"), FAMILY)
def test_a_fund_starts_each_day_with_its_leverage_again(symbol: str, leverage: int) -> None:
    for session in quarter():
        qqq, fund = session["QQQ"], session[symbol]
        due = [1 + leverage * (bar.close / qqq[0].open - 1) for bar in qqq]
        strays = [abs(bar.close / fund[0].open - one) for bar, one in zip(fund, due, strict=True)]
        assert max(strays) < 0.002


@pytest.mark.parametrize(("symbol", "leverage"), FAMILY)
def test_the_high_of_an_inverse_fund_is_where_qqq_was_lowest(symbol: str, leverage: int) -> None:
    strays: list[float] = []
    for session in quarter():
        qqq, fund = session["QQQ"], session[symbol]
        for under, over in zip(qqq, fund, strict=True):
            best, worst = (under.high, under.low) if leverage > 0 else (under.low, under.high)
            strays.append(abs(over.high / fund[0].open - 1 - leverage * (best / qqq[0].open - 1)))
            strays.append(abs(over.low / fund[0].open - 1 - leverage * (worst / qqq[0].open - 1)))
    assert mean(strays) < 0.00015 * abs(leverage)


@pytest.mark.parametrize(("symbol", "leverage"), FAMILY)
def test_a_fund_opens_with_its_leverage_times_the_gap_of_qqq(symbol: str, leverage: int) -> None:
    gaps = {
        name: [after[name][0].open / before[name][-1].close - 1 for before, after in pairwise(quarter())]
        for name in ("QQQ", symbol)
    }
    assert linear_regression(gaps["QQQ"], gaps[symbol]).slope == pytest.approx(leverage, rel=0.1)
    assert abs(correlation(gaps["QQQ"], gaps[symbol])) > 0.98


def test_stocks_follow_the_market_and_go_their_own_way() -> None:
    underlying = all_returns("QQQ")
    stocks = [symbol for symbol in quarter()[0] if symbol != "QQQ" and symbol not in dict(FAMILY)]
    assert len(stocks) >= 8
    for symbol in stocks:
        assert 0.4 < correlation(underlying, all_returns(symbol)) < 0.9


# The day and its weather.


def test_volume_is_high_at_both_ends_of_the_day() -> None:
    by_minute = [mean(session["QQQ"][n].volume for session in quarter()) for n in range(390)]
    midday = mean(by_minute[180:210])
    assert mean(by_minute[:30]) > 2 * midday
    assert mean(by_minute[-30:]) > 2 * midday


def test_prices_move_more_at_both_ends_of_the_day() -> None:
    by_minute = [mean(log(session["QQQ"][n].high / session["QQQ"][n].low) for session in quarter()) for n in range(390)]
    midday = mean(by_minute[150:240])
    assert mean(by_minute[:30]) > 1.5 * midday
    assert mean(by_minute[-15:]) > 1.2 * midday


def test_some_days_are_wild_and_most_are_quiet() -> None:
    volatilities = sorted(map(realised_volatility, quarter()))
    assert median(volatilities[-5:]) > 1.8 * median(volatilities)
    assert median(volatilities) < 1.3 * volatilities[0]


def test_wild_days_trade_more() -> None:
    days = sorted(quarter(), key=realised_volatility)
    volumes = [sum(bar.volume for bar in session["QQQ"]) for session in days]
    assert mean(volumes[-5:]) > 1.3 * mean(volumes[:30])


def test_wild_days_come_together() -> None:
    regimes = Regimes(SEED)
    wild = [regimes.wild(number) for number in range(5_000)]
    after_wild = [after for before, after in pairwise(wild) if before]
    assert 0.1 < mean(wild) < 0.3
    assert mean(after_wild) > 0.7


def test_wild_minutes_come_together() -> None:
    moves = [[abs(one) for one in returns(session["QQQ"])[60:330]] for session in quarter()]
    assert mean(correlation(session[:-1], session[1:]) for session in moves) > 0.05


def test_sessions_open_with_a_gap() -> None:
    gaps = [abs(after["QQQ"][0].open / before["QQQ"][-1].close - 1) for before, after in pairwise(quarter())]
    assert median(gaps) > 5 * median(map(abs, all_returns("QQQ")))
    assert max(gaps) < 0.15
