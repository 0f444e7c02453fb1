"""Strategies of the proof."""

from collections.abc import Iterable
from typing import NamedTuple

from trader.domain.decision import Signal
from trader.domain.market import Bar


class Silent:
    """Says nothing: signals come from outside. It is warm at once, and so every symbol has a price."""

    warmup_bars = 2

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Take in one finished bar."""
        del bar
        return ()


class Swings:
    """In and out by the minute of the day: the family both ways, and two single stocks. Restarts do not matter."""

    warmup_bars = 2

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Take in one finished bar."""
        swing = _SWINGS.get(bar.symbol)
        if swing is not None:
            minute = int(bar.timestamp.timestamp()) // 60 % swing.minutes
            yield Signal(bar.symbol, swing.entry if minute < swing.held else swing.exit_)
        elif bar.symbol == "QQQ":
            yield Signal(bar.symbol, _BOTH_WAYS[int(bar.timestamp.timestamp()) // 600 % len(_BOTH_WAYS)])


class _Swing(NamedTuple):
    """Held for so many of so many minutes, by these probabilities."""

    minutes: int
    held: int
    entry: float = 0.8
    exit_: float = 0.3


_SWINGS = {"AAPL": _Swing(30, 17), "MSFT": _Swing(26, 14)}
_BOTH_WAYS = (0.95, 0.5, 0.05, 0.5, 0.8, 0.5)
"""Each for ten minutes."""
