"""The benchmark's strategies, written as a user would write them."""

from collections.abc import Iterable
from datetime import date

from trader import Bar, Signal

CERTAIN, HOPELESS = 0.95, 0.05


class _Averages:
    """One symbol's averages."""

    __slots__ = ("above", "bars", "fast", "slow")

    def __init__(self, close: float) -> None:
        self.fast = self.slow = close
        self.above: bool | None = None
        self.bars = 1


class EmaCross:
    """Long while the fast average of the closes is above the slow one: a signal at each crossing, and at no other bar.

    An average begins with the first close and moves by 2 / (n + 1) of the way to each next one; crossings count once
    the slow one has seen its n bars.
    """

    def __init__(self, fast: int = 20, slow: int = 100) -> None:
        self._fast_weight = 2 / (fast + 1)
        self._slow_weight = 2 / (slow + 1)
        self._slow = slow
        self._averages: dict[str, _Averages] = {}

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Take in one finished bar."""
        close = bar.close
        averages = self._averages.get(bar.symbol)
        if averages is None:
            self._averages[bar.symbol] = _Averages(close)
            return ()
        averages.fast += self._fast_weight * (close - averages.fast)
        averages.slow += self._slow_weight * (close - averages.slow)
        averages.bars += 1
        above = averages.fast > averages.slow
        if above is averages.above or averages.bars < self._slow:
            return ()
        crossed, averages.above = averages.above is not None, above
        return (Signal(bar.symbol, CERTAIN if above else HOPELESS),) if crossed else ()


class Hold:
    """Holds the first symbols it sees, so many of them, from each session's first bar on."""

    def __init__(self, positions: int = 0) -> None:
        self._positions = positions
        self._bought_on: dict[str, date] = {}

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Ask once a session, for each of the chosen symbols."""
        bought_on = self._bought_on
        if bar.symbol not in bought_on and len(bought_on) >= self._positions:
            return ()
        today = bar.timestamp.date()
        if bought_on.get(bar.symbol) == today:
            return ()
        bought_on[bar.symbol] = today
        return (Signal(bar.symbol, CERTAIN),)
