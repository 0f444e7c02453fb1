"""Strategies that nobody should trust: they change their mind, raise, flood and talk nonsense."""

from collections.abc import Iterable
from contextvars import ContextVar
from random import Random
from typing import cast

from simulation.faults import Fault, Faults
from trader.domain.decision import Signal
from trader.domain.market import Bar

FAULTS: ContextVar[Faults] = ContextVar("FAULTS")
"""Of the run; a strategy is made by the daemon, which knows nothing of them."""

_DRIVERS = ("QQQ", "AAPL", "MSFT", "NVDA", "TSLA")
_MINDS = (0.02, 0.2, 0.5, 0.7, 0.8, 0.95)
_NONSENSE: tuple[object, ...] = (
    Signal("QQQ", float("nan")),
    Signal("QQQ", 1.7),
    Signal("NOSUCH", 0.9),
    Signal("QQQ; DROP TABLE book_orders", 0.9),
    Signal("", 0.9),
    Signal("A\0B", 0.9),
    None,
    "BUY QQQ",
    42,
)


class Moody:
    """Its mind of a symbol lasts some minutes and is a function of the seed and the minute, so that it survives it."""

    warmup_bars = 1

    def __init__(self, seed: int = 0, minutes: int = 5) -> None:
        self._seed = seed
        self._minutes = minutes
        self._faults = FAULTS.get()

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Say something of the drivers, at every bar."""
        if bar.symbol not in _DRIVERS:
            return
        strikes = self._faults.strikes
        if strikes(Fault.STRATEGY_RAISES, 0.002):
            raise ZeroDivisionError("a strategy's own bug")
        mind = self._mind(bar)
        yield Signal(bar.symbol, mind)
        if strikes(Fault.STRATEGY_FLIPS, 0.01):
            yield Signal(bar.symbol, 1 - mind)
        if strikes(Fault.STRATEGY_NONSENSE, 0.005):
            yield cast("Signal", self._faults.chance(Fault.STRATEGY_NONSENSE).choice(_NONSENSE))
        if strikes(Fault.STRATEGY_FLOODS, 0.0005):
            yield from (Signal(bar.symbol, 0.95) for _ in range(300))

    def _mind(self, bar: Bar) -> float:
        minute = int(bar.timestamp.timestamp()) // 60
        return Random(f"{self._seed}:{bar.symbol}:{minute // self._minutes}").choice(_MINDS)
