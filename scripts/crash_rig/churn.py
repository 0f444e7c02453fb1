"""A strategy that changes its mind every few minutes: entries, exits and turns without end."""

from collections.abc import Iterable
from random import Random

from trader.domain.decision import Signal
from trader.domain.market import Bar

_DRIVERS = ("QQQ", "AAPL", "MSFT", "NVDA", "TSLA")
_MINUTES = 4
_MIND = (0.02, 0.5, 0.8, 0.8, 0.95)


class Churn:
    """What it says of a symbol is a function of the minute, so that every life sees the same day."""

    warmup_bars = 1

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Say something of the drivers, at every bar."""
        if bar.symbol in _DRIVERS:
            mind = Random(f"{bar.symbol}:{bar.timestamp.timestamp() // (60 * _MINUTES):.0f}")
            yield Signal(bar.symbol, mind.choice(_MIND))
