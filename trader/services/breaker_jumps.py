"""Prices that jump, and stay there: a single bad print is the collar's business."""

from trader.domain.breaker import Breaker, in_dollars
from trader.domain.market import Bar, BarTime, Prices
from trader.domain.symbol import is_option
from trader.services.breaker_panel import Panel
from trader.services.step import Step


class JumpWatch:
    """Of shares: a premium may go anywhere."""

    def __init__(self, panel: Panel, prices: Prices) -> None:
        self._panel = panel
        self._prices = prices
        self._limit_ppm = round(panel.rules[Breaker.PRICE_JUMP].limit * 10_000)
        self._jumped: dict[str, Bar] = {}
        """Symbol -> the bar before its jump; a second print has to come."""
        self._confirmed: dict[str, Bar] = {}
        """Those of them that have had it, in the step of the moment."""

    def look(self, step: Step, bar_time: BarTime) -> None:
        """Look for second prints of what has jumped, and for what jumps, while these are the newest bars.

        The way back of what was no jump is none either.
        """
        confirmed = self._second_prints(step, bar_time) if self._jumped else ()
        for bar in self._prices.jumped(bar_time.bars, self._limit_ppm):
            before = self._prices.before(bar.symbol)
            if before is not None and bar.symbol not in confirmed and not is_option(bar.symbol):
                self._jumped[bar.symbol] = before

    def _second_prints(self, step: Step, bar_time: BarTime) -> list[str]:
        confirmed: list[str] = []
        for bar in bar_time.bars:
            before = self._jumped.get(bar.symbol)
            if before is None or before is self._prices.before(bar.symbol):
                continue
            confirmed.append(bar.symbol)
            self._confirmed.setdefault(bar.symbol, self._jumped.pop(bar.symbol))
            percent = round(abs(bar.close_micros - before.close_micros) * 100 / before.close_micros, 4)
            self._panel.judge(
                step,
                Breaker.PRICE_JUMP,
                percent,
                f"{bar.symbol} has jumped by {percent:.1f} %, and stays there",
                target=bar.symbol,
                inputs={"close": in_dollars(bar.close_micros), "close_before": in_dollars(before.close_micros)},
            )
        return confirmed

    def happened(self) -> None:
        """The step is over: what was confirmed in it is no jump any more."""
        self._confirmed.clear()

    def not_happened(self) -> None:
        """The step is thrown away, and its bars do not come again: the next one is a second print, too."""
        self._jumped.update(self._confirmed)
        self._confirmed.clear()
