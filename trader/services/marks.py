"""Marks: the last prices of what is held, written into the book so that its readers can value it."""

from collections.abc import Iterable
from datetime import timedelta

from trader.domain.decision import UNSTAMPED
from trader.domain.market import Prices
from trader.services.draft import Draft


class Marks:
    """At a fill, and for everything held at least this often."""

    def __init__(self, prices: Prices, every: timedelta) -> None:
        self._prices = prices
        self._every = every
        self._due_at = UNSTAMPED

    def are_due(self, draft: Draft) -> bool:
        """Whether readers would see prices that are too old."""
        return bool(draft.positions) and draft.now >= self._due_at

    def put(self, draft: Draft) -> None:
        """Of everything held when that is due, else of what was just traded."""
        if self.are_due(draft):
            self._due_at = draft.now + self._every
            self.put_all(draft)
        else:
            self._put(draft, (booking.fill.symbol for booking in draft.commit.bookings if booking.held))

    def put_all(self, draft: Draft) -> None:
        """Of everything held, due or not."""
        self._put(draft, draft.positions)

    def _put(self, draft: Draft, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            bar = self._prices.last(symbol)
            if bar is not None:
                draft.commit.marks[symbol] = (bar.close_micros, bar.timestamp + self._prices.interval)
