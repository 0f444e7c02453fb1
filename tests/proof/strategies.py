"""Strategies of the proof."""

from collections.abc import Iterable

from trader.domain.decision import Signal
from trader.domain.market import Bar


class Silent:
    """Says nothing: signals come from outside. It is warm at once, and so every symbol has a price."""

    warmup_bars = 2

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Take in one finished bar."""
        del bar
        return ()
