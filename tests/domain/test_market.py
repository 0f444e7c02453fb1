"""Bars and prices."""

from datetime import timedelta
from typing import Any

import pytest
from builders import MINUTE, NOON, a_bar, a_position, bar_time

from trader.domain.market import Bar, Prices, bar_fault, by_symbol


def test_a_bar_gives_exact_micros_and_dollars_for_statistics() -> None:
    bar = Bar.in_dollars("AAPL", NOON, 100.01, 101.5, 99.99, 100.1, 5)
    assert bar[2:] == (100_010_000, 101_500_000, 99_990_000, 100_100_000, 5)
    assert (bar.open, bar.high, bar.low, bar.close) == (100.01, 101.5, 99.99, 100.1)


def test_a_good_bar_has_no_fault() -> None:
    assert bar_fault(a_bar()) is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"low_micros": 0}, "price not positive"),
        ({"close_micros": -1}, "price not positive"),
        ({"high_micros": 1}, "high below low"),
        ({"open_micros": 99_000_000}, "open outside low..high"),
        ({"close_micros": 101_000_000}, "close outside low..high"),
        ({"volume": -1}, "negative volume"),
        ({"high_micros": 10**15 + 1}, "price too large"),
        ({"open_micros": 10**308, "low_micros": -1}, "price too large"),
        ({"volume": 10**15 + 1}, "volume too large"),
    ],
)
def test_a_bar_that_cannot_be_says_why(changes: dict[str, Any], fault: str) -> None:
    assert bar_fault(a_bar()._replace(**changes)) == fault


def test_prices_and_volumes_at_their_caps_are_good() -> None:
    assert bar_fault(a_bar()._replace(high_micros=10**15, volume=10**15)) is None
    assert bar_fault(a_bar()._replace(low_micros=1, volume=0)) is None


def test_others_are_not_sized_by_a_price_that_has_risen_until_a_second_print() -> None:
    prices, held = Prices(), a_position("AAPL", 10, 90.0)
    assert prices.sure_micros(held, 50_000) == 900_000_000, "at cost"
    values = []
    for place, close in enumerate([100.0, 105.0, 1000.0, 1000.0, 10.0]):
        prices.observe(bar_time(a_bar("AAPL", close, start=NOON + place * MINUTE)))
        values.append(prices.sure_micros(held, 50_000) // 10_000_000)
    assert values == [100, 105, 105, 1000, 10]


def test_a_price_is_known_only_when_its_bar_has_ended() -> None:
    prices = Prices()
    assert prices.last("AAPL") is None
    assert prices.known_at("AAPL") is None
    prices.observe(bar_time(a_bar(start=NOON)))
    assert prices.known_at("AAPL") == NOON + MINUTE
    prices.observe(bar_time(a_bar(start=NOON), interval=timedelta(minutes=30)))
    assert prices.known_at("AAPL") == NOON + timedelta(minutes=30)


def test_a_jump_is_measured_from_the_bar_before() -> None:
    prices = Prices()
    assert prices.jump_ppm("AAPL") == 0
    prices.observe(bar_time(a_bar(close=100.0)))
    assert prices.jump_ppm("AAPL") == 0
    prices.observe(bar_time(a_bar(close=94.0, start=NOON)))
    assert prices.jump_ppm("AAPL") == 60_000
    prices.observe(bar_time(a_bar(close=94.0, start=NOON + MINUTE)))
    assert prices.jump_ppm("AAPL") == 0


def test_shares_without_a_price_are_worth_what_is_said() -> None:
    prices = Prices()
    assert prices.value_micros("AAPL", 3, 7) == 7
    prices.observe(bar_time(a_bar(close=100.0)))
    assert prices.value_micros("AAPL", 3, 7) == 300_000_000
    assert prices.symbols() == {"AAPL"}


def test_bars_are_found_by_symbol() -> None:
    assert by_symbol([a_bar("AAPL"), a_bar("MSFT")])["MSFT"].symbol == "MSFT"


def test_contracts_are_worth_a_hundred_times_their_premium() -> None:
    call = "QQQ261218C00500000"
    prices = Prices()
    prices.observe(bar_time(a_bar(call, 4.0), a_bar("QQQ", 500.0)))
    holdings = [a_position(call, 3, 350.0), a_position("QQQ", 2, 490.0)]
    assert prices.worth_micros(holdings) == 1_200_000_000 + 1_000_000_000
    assert prices.value_micros(call, 3, 0) == prices.sure_micros(holdings[0], 0) == 1_200_000_000
