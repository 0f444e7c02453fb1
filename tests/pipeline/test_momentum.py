"""The default strategy: bounded, symmetric, and blind to the future."""

from itertools import pairwise
from math import isfinite, log, sqrt
from statistics import NormalDist

import pytest
from builders import MINUTE, NOON, a_bar
from hypothesis import given, settings
from hypothesis import strategies as st

from trader.domain.decision import Signal
from trader.pipeline.strategies.momentum import Momentum

CLOSES = st.lists(st.floats(1.0, 1000.0), min_size=3, max_size=60)


def said(strategy: Momentum, closes: list[float], symbol: str = "QQQ") -> list[tuple[Signal, ...]]:
    """What it says on each bar."""
    return [tuple(strategy.on_bar(a_bar(symbol, close, start=NOON + n * MINUTE))) for n, close in enumerate(closes)]


@given(CLOSES, CLOSES)
@settings(max_examples=60)
def test_what_it_says_does_not_depend_on_bars_to_come(past: list[float], future: list[float]) -> None:
    alone = said(Momentum(5, 5), past)
    followed = said(Momentum(5, 5), past + future)
    assert followed[: len(past)] == alone


@given(CLOSES)
def test_it_speaks_in_probabilities(closes: list[float]) -> None:
    for signals in said(Momentum(5, 5), closes):
        assert all(isfinite(signal.probability) and 0 <= signal.probability <= 1 for signal in signals)


def test_a_rising_market_is_above_a_half_and_a_falling_one_below() -> None:
    rising = said(Momentum(5, 5), [100 * 1.001**n for n in range(30)])[-1][0].probability
    falling = said(Momentum(5, 5), [100 * 0.999**n for n in range(30)])[-1][0].probability
    assert falling < 0.25 < 0.75 < rising
    assert rising + falling == pytest.approx(1.0, abs=1e-9)


def test_a_market_that_stands_says_nothing() -> None:
    assert said(Momentum(), [100.0] * 50) == [()] * 50


def test_only_underlyings_and_singles_are_signalled() -> None:
    strategy = Momentum(5, 5)
    strategy.on_start(["QQQ"])
    assert said(strategy, [100.0, 101.0], "TQQQ") == [(), ()]
    assert len(said(strategy, [100.0, 101.0])[-1]) == 1


def test_symbols_do_not_mix() -> None:
    together, alone = Momentum(5, 5), Momentum(5, 5)
    closes = [100.0, 101.0, 103.0, 102.0]
    for n, close in enumerate(closes):
        list(together.on_bar(a_bar("AAPL", 50.0 + n, start=NOON + n * MINUTE)))
        mixed = list(together.on_bar(a_bar("QQQ", close, start=NOON + n * MINUTE)))
        assert mixed == list(alone.on_bar(a_bar("QQQ", close, start=NOON + n * MINUTE)))


@pytest.mark.parametrize("parameters", [(1, 120), (60, 1)])
def test_averages_over_less_than_two_bars_are_refused(parameters: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Momentum(*parameters)


def test_the_warm_up_covers_its_longest_average() -> None:
    assert Momentum(60, 120).warmup_bars == 120


def test_it_says_how_far_the_average_return_lies_from_nothing_in_its_own_volatility() -> None:
    """Exponential averages of returns and of their squares; the probability that a normal of that mean is above 0."""
    closes, trend_bars, volatility_bars, gain = [100.0, 101.0, 100.5, 102.0, 101.0], 3, 5, 0.7
    mean = variance = 0.0
    expected = []
    for before, after in pairwise(closes):
        change = log(after / before)
        mean += (change - mean) * 2 / (trend_bars + 1)
        variance += (change**2 - variance) * 2 / (volatility_bars + 1)
        expected.append(NormalDist().cdf(gain * sqrt(trend_bars) * mean / sqrt(variance)))
    first, *rest = said(Momentum(trend_bars, volatility_bars, gain), closes)
    assert first == ()
    assert [signal.symbol for (signal,) in rest] == ["QQQ"] * len(expected)
    assert [signal.probability for (signal,) in rest] == pytest.approx(expected, rel=1e-12)


def test_what_it_takes_where_nothing_is_said() -> None:
    closes = [100.0, 101.0, 99.0, 103.0, 102.0]
    assert said(Momentum(), closes) == said(Momentum(90, 120, 1.0), closes)


def test_two_bars_are_the_fewest() -> None:
    assert Momentum(2, 2).warmup_bars == 2
    for bars in ((1, 2), (2, 1)):
        with pytest.raises(ValueError, match=r"^trend_bars and volatility_bars must be at least 2$"):
            Momentum(*bars)
