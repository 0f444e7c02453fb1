"""The market: a last price for each symbol, the depth behind it, and the bars it has left.

A jump is a price out of nowhere (a trade, the open of a bar): orders that it passes fill at that price. A move is a
continuous way from one price to the next, inside a bar: orders that it passes fill at their own price.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from gateway.contracts import TICK_USD, Listing, Listings
from gateway.options import OptionListing

Price = Decimal | float | int | str


class Bar(NamedTuple):
    """One finished bar of five seconds, or of as long as it was asked for. Volume in shares."""

    starts_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int

    def figures(self) -> dict[str, Decimal | int]:
        """Its prices and volume as messages name them; the average price and the trades are guessed."""
        prices = {"open": self.open, "high": self.high, "low": self.low, "close": self.close}
        average = sum(prices.values(), Decimal(0)) / len(prices)
        return {**prices, "volume": self.volume, "wap": average, "count": max(self.volume // 100, 1)}


class Step(NamedTuple):
    """The market comes to a price; `jumped`: from nowhere."""

    symbol: str
    price: Decimal
    jumped: bool


@dataclass(slots=True)
class Quote:
    """What is known of one symbol. `depth`: shares that can be traded until it is set again; None: any number."""

    last: Decimal | None = None
    depth: int | None = None
    is_halted: bool = False
    volume: int = 0
    bars: list[Bar] = field(default_factory=list)

    @property
    def bid(self) -> Decimal | None:
        """A tick below the last price."""
        return None if self.last is None else self.last - TICK_USD

    @property
    def ask(self) -> Decimal | None:
        """A tick above the last price."""
        return None if self.last is None else self.last + TICK_USD

    def take(self, shares: int) -> int:
        """Shares that can be traded now, at most so many."""
        if self.is_halted:
            return 0
        if self.depth is None:
            return shares
        taken = min(shares, self.depth)
        self.depth -= taken
        return taken


class Market:
    """Prices come in here; whoever listens matches orders and tells subscribers."""

    def __init__(self) -> None:
        self.listings = Listings()
        self._quotes: dict[str, Quote] = {}
        self.on_step: Callable[[Step], None] = lambda _: None
        self.on_quote: Callable[[str], None] = lambda _: None
        self.on_bar: Callable[[str, Bar], None] = lambda _, __: None

    def quote(self, symbol: str) -> Quote:
        """What is known of a symbol; KeyError when it is not listed."""
        return self._quotes.setdefault(self.listings[symbol].symbol, Quote())

    def last(self, symbol: str) -> Decimal:
        """The last price; ValueError when there is none."""
        last = self.quote(symbol).last
        if last is None:
            raise ValueError(f"{symbol} has no price yet: name one, or let it trade first.")
        return last

    def list(self, symbol: str, home: str = "NASDAQ") -> Listing:
        """List one more symbol."""
        return self.listings.add(symbol, home)

    def list_option(self, symbol: str, multiplier: int = 100, underlying_kind: str = "STK") -> Listing:
        """List an option by its OCC symbol without spaces; a standard one, unless something else is said."""
        number = self.listings.free_con_id
        made = OptionListing(number, symbol, "", symbol, multiplier=multiplier, underlying_kind=underlying_kind)
        return self.listings.add_listing(made)

    def trade(self, symbol: str, price: Price, shares: int = 100) -> None:
        """Somebody trades: the last price is this one."""
        self.quote(symbol).volume += shares
        self._step(Step(symbol, exact(price), jumped=True))
        self.on_quote(symbol)

    def depth(self, symbol: str, shares: int | None) -> None:
        """So many shares can be traded from now on, the first of them at once; None: any number."""
        quote = self.quote(symbol)
        quote.depth = shares
        if quote.last is not None:
            self._step(Step(symbol, quote.last, jumped=True))

    def halt(self, symbol: str) -> None:
        """Nothing can be traded until `resume`."""
        self.quote(symbol).is_halted = True
        self.on_quote(symbol)

    def resume(self, symbol: str) -> None:
        """Trading goes on, at the last price."""
        quote = self.quote(symbol)
        quote.is_halted = False
        if quote.last is not None:
            self._step(Step(symbol, quote.last, jumped=True))
        self.on_quote(symbol)

    def bar(
        self,
        symbol: str,
        starts_at: datetime,
        open: Price,  # noqa: A002 - a bar's words
        high: Price,
        low: Price,
        close: Price,
        volume: int,
    ) -> None:
        """Five seconds have passed. The way is open, low, high, close: what hurts a long position comes first."""
        bar = Bar(starts_at, exact(open), exact(high), exact(low), exact(close), volume)
        quote = self.quote(symbol)
        quote.bars.append(bar)
        quote.volume += volume
        self._step(Step(symbol, bar.open, jumped=True))
        for price in (bar.low, bar.high, bar.close):
            self._step(Step(symbol, price, jumped=False))
        self.on_bar(symbol, bar)
        self.on_quote(symbol)

    def _step(self, step: Step) -> None:
        self.quote(step.symbol).last = step.price
        self.on_step(step)


def exact(price: Price) -> Decimal:
    """The decimal that a price is written as."""
    return Decimal(str(price))
