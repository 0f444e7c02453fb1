"""The default strategy: intraday momentum, as a probability.

Per symbol, over finished bars only:

    r_t   = log(close_t / close_{t-1})
    v_t   = exponential average of r^2, span `volatility_bars`
    m_t   = exponential average of r,   span `trend_bars`
    z_t   = m_t / sqrt(v_t * trend_bars^-1)      (the standard deviation of m_t under a driftless walk, to a constant)
    p_t   = Phi(gain * z_t)

Phi is the normal distribution function. It is an honest, simple rule that reads no future bar; it is no promise of
profit.
"""

from collections.abc import Collection, Iterable
from math import erf, log, sqrt

from trader.domain.decision import Signal
from trader.domain.market import Bar


class _Trend:
    """Running averages of one symbol."""

    __slots__ = ("close", "mean", "variance")

    def __init__(self, close: float) -> None:
        self.close = close
        self.mean = 0.0
        self.variance = 0.0


class Momentum:
    """One signal per finished bar of each underlying and single symbol."""

    def __init__(self, trend_bars: int = 90, volatility_bars: int = 120, gain: float = 1.0) -> None:
        if trend_bars < 2 or volatility_bars < 2:
            raise ValueError("trend_bars and volatility_bars must be at least 2")
        self.warmup_bars = max(trend_bars, volatility_bars)
        self._mean_weight = 2 / (trend_bars + 1)
        self._variance_weight = 2 / (volatility_bars + 1)
        self._scale = gain * sqrt(trend_bars)
        self._drivers: frozenset[str] | None = None
        self._trends: dict[str, _Trend] = {}

    def on_start(self, drivers: Collection[str]) -> None:
        """Hear which symbols may be signalled: underlyings and singles."""
        self._drivers = frozenset(drivers)

    def on_bar(self, bar: Bar) -> Iterable[Signal]:
        """Take in one finished bar; give at most one signal."""
        if self._drivers is not None and bar.symbol not in self._drivers:
            return ()
        trend = self._trends.get(bar.symbol)
        if trend is None:
            self._trends[bar.symbol] = _Trend(bar.close)
            return ()
        change = log(bar.close / trend.close)
        trend.close = bar.close
        trend.mean += self._mean_weight * (change - trend.mean)
        trend.variance += self._variance_weight * (change * change - trend.variance)
        if trend.variance <= 0:
            return ()
        z = self._scale * trend.mean / sqrt(trend.variance)
        return (Signal(bar.symbol, 0.5 * (1 + erf(z / sqrt(2)))),)
