"""Market data on their way in: only bars that can be are shown to the prices, and so to anybody; the rest is told.

Told once a symbol, fault and New York day, then the tenth time, the hundredth, ...: in the log, the first one also in
the journal. What a step that has not happened would have told is told by the next one.
"""

from collections import Counter
from collections.abc import Container, Iterable
from datetime import date, datetime
from typing import NamedTuple

from trader.domain.alarm import AlarmType
from trader.domain.market import BarTime, Prices
from trader.domain.session import new_york_date
from trader.domain.symbol import is_symbol
from trader.pipeline.screen import LeftOut, screen
from trader.services.step import Level, Step

SAID_AT = frozenset(10**power for power in range(10))
"""What goes on happening is said the first time, the tenth, the hundredth, ..."""


class _AnySymbol:
    """What a feed may carry that was asked for nothing in particular."""

    def __contains__(self, symbol: object) -> bool:
        return isinstance(symbol, str) and is_symbol(symbol)


class _Untold(NamedTuple):
    """What has to be told of one bar that was left out."""

    left_out: LeftOut
    ends_at: datetime
    number: int
    """Of its symbol, fault and day."""


class MarketData:
    """The one door to the prices."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._carried: Container[str] = _AnySymbol()
        self._newest: BarTime | None = None
        self._believed: BarTime | None = None
        self._counts: Counter[LeftOut] = Counter()
        self._day = date.min
        self._untold: list[_Untold] = []
        self._being_told = 0

    def expect(self, symbols: Iterable[str]) -> None:
        """Say, before the first bar, what the feed was asked for: bars of nothing else are taken in."""
        self._carried = frozenset(symbols)

    def take_in(self, bar_time: BarTime, now: datetime) -> BarTime:
        """Show the prices what can be of a bar time, and give it: with no bars it still says that time has passed.

        Once: it may be decided again, and is the same then.
        """
        if self._believed is None or bar_time is not self._newest:
            self._newest = bar_time
            self._believed, left_out = screen(bar_time, self._prices, self._carried, now)
            if self._believed.bars:
                self._prices.observe(self._believed)
            if left_out:
                self._count(left_out, bar_time.ends_at, now)
        return self._believed

    def _count(self, left_out: Iterable[LeftOut], ends_at: datetime, now: datetime) -> None:
        today = new_york_date(now)
        if today != self._day:
            self._day = today
            self._counts.clear()
        for what in left_out:
            self._counts[what] += 1
            if self._counts[what] in SAID_AT:
                self._untold.append(_Untold(what, ends_at, self._counts[what]))

    def tell(self, step: Step) -> None:
        """Say what was left out, and journal it."""
        self._being_told = len(self._untold)
        for (symbol, fault), ends_at, number in self._untold:
            which = f"of {symbol}" if symbol else "of every symbol"
            if number == 1:
                step.draft.alarm(AlarmType.BAR_LEFT_OUT, symbol, f"a bar {which} was left out: {fault}")
            step.say(
                Level.WARNING,
                f"BAR LEFT OUT {which}, which ended {ends_at:%Y-%m-%d %H:%M:%S} UTC: {fault} (number {number} today) "
                f"account={step.draft.account}",
            )

    def happened(self) -> None:
        """The step is over: what it has told is told."""
        del self._untold[: self._being_told]
        self._being_told = 0

    def not_happened(self) -> None:
        """The step is thrown away, with what it would have told."""
        self._being_told = 0
