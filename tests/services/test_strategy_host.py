"""How much a strategy may say, and from when on it is listened to."""

from collections.abc import Iterable
from itertools import repeat

from builders import MINUTE, NOON, a_bar, bar_time

from trader import Bar, Signal
from trader.domain.decision import Rule
from trader.domain.market import BarTime
from trader.domain.rules import Rules
from trader.services.strategy_host import StrategyHost


class Talking:
    """Says the same of each bar, so many times."""

    def __init__(self, times: int | None = 1) -> None:
        self.times = times

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Talk, for ever if need be."""
        signal = Signal(bar.symbol, 0.8)
        return repeat(signal) if self.times is None else repeat(signal, self.times)


def minute(n: int, *symbols: str) -> BarTime:
    return bar_time(*(a_bar(symbol, start=NOON + n * MINUTE) for symbol in symbols))


def rules_of(host: StrategyHost, bars: BarTime) -> list[Rule | None]:
    return [refusal.rule if refusal is not None else None for _, refusal in host.on_bars(bars)]


def test_what_is_too_much_of_one_bar_time_is_refused_and_the_next_begins_anew() -> None:
    host = StrategyHost(Talking(2), "talking", Rules(signals_per_bar=3))
    for n in range(2):
        assert rules_of(host, minute(n, "AAPL", "MSFT", "JD")) == [None] * 3 + [Rule.TOO_MANY] * 3


def test_a_strategy_that_never_ends_is_heard_up_to_the_limit() -> None:
    host = StrategyHost(Talking(None), "endless", Rules(signals_per_bar=3))
    assert rules_of(host, minute(0, "AAPL")) == [None] * 3 + [Rule.TOO_MANY]


def test_signals_count_only_when_the_warm_up_of_their_symbol_is_over() -> None:
    host = StrategyHost(Talking(), "talking", Rules(), warmup_bars=2)
    host.warm_up([minute(0, "AAPL")])
    assert rules_of(host, minute(1, "AAPL", "MSFT")) == [Rule.WARMING_UP] * 2
    assert rules_of(host, minute(2, "AAPL", "MSFT")) == [None, Rule.WARMING_UP]
    assert rules_of(host, minute(3, "AAPL", "MSFT")) == [None, None]
