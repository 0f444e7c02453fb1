"""What breakers count: from the facts of each step, once, and never by looking at all orders again.

Rule 1: it is a value. A step that is thrown away leaves the one before it.
Rule 2: it begins with what the book tells: a restart forgets neither orders nor losses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from types import MappingProxyType

from trader.domain.breaker import Breaker, latch_key
from trader.domain.decision import Purpose
from trader.domain.order import Order, OrderState
from trader.domain.tally import Tally
from trader.services.draft import Draft
from trader.services.ports import History

BARS_OF_A_BLOCK = 480
_MOST_IN_A_ROW = 1000
_COUNTED = frozenset({Purpose.ENTRY, Purpose.EXIT})
"""Orders that somebody's decision has made. The close of the day, protection and what a person asks for come at once,
and are no sign of anything."""
_TAKEN = frozenset({OrderState.WORKING, OrderState.FILLED})


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one account."""

    losses: tuple[datetime, ...] = ()
    """When the newest round trips ended, for as long as they were losses."""
    rejects: tuple[datetime, ...] = ()
    sent: Tally = Tally()
    traded: Tally = Tally()
    exceptions: Tally = Tally()
    repeated: Mapping[str, Tally] = field(default_factory=lambda: MappingProxyType({}))
    """By symbol."""

    @classmethod
    def of(cls, history: History, sent: timedelta, block: timedelta, repeated: timedelta) -> "Counts":
        """What the book tells of the time before this run."""
        ended = sorted(history.ended_orders.values(), key=lambda order: order.updated_at)
        traded: dict[str, list[datetime]] = {}
        for order in ended:
            if order.filled:
                traded.setdefault(order.symbol, []).append(order.updated_at)
        counts = cls(
            losses=history.losses,
            sent=Tally.of((order.created_at for order in ended if order.purpose in _COUNTED), sent),
            traded=Tally.of(chain.from_iterable(traded.values()), block),
            repeated={symbol: Tally.of(times, repeated) for symbol, times in traded.items()},
        )
        for order in ended:
            counts = counts.answered(order, order.updated_at)
        return counts

    def with_fills(self, draft: Draft, block: timedelta, repeated: timedelta) -> "Counts":
        """The same after the executions, round trips and rejections of a step."""
        counts, commit = self, draft.commit
        bought_and_sold: dict[str, int] = {}
        for booking in commit.bookings:
            ref = booking.fill.order_ref
            bought_and_sold[ref] = bought_and_sold.get(ref, 0) + booking.fill.quantity
        changed = [(commit.orders[ref], filled) for ref, filled in bought_and_sold.items() if ref in commit.orders]
        first = [order.symbol for order, filled in changed if order.filled <= filled]
        if first:
            counts = counts.executed(first, draft.now, block, repeated)
        for trip in commit.round_trips:
            losses = (*counts.losses, trip.closed_at)[-_MOST_IN_A_ROW:] if trip.pnl_micros < 0 else ()
            counts = replace(counts, losses=losses)
        for order in commit.orders.values():
            counts = counts.answered(order, draft.now)
        return counts

    def executed(self, symbols: Sequence[str], at: datetime, block: timedelta, repeated: timedelta) -> "Counts":
        """The same after the first executions of orders of these symbols."""
        by_symbol = dict(self.repeated)
        for symbol in symbols:
            by_symbol[symbol] = by_symbol.get(symbol, Tally()).plus(at, 1, repeated)
        return replace(self, traded=self.traded.plus(at, len(symbols), block), repeated=by_symbol)

    def answered(self, order: Order, at: datetime) -> "Counts":
        """The same after what the broker has last said of an order."""
        if order.state is OrderState.REJECTED:
            return replace(self, rejects=(*self.rejects, at)[-_MOST_IN_A_ROW:])
        return replace(self, rejects=()) if self.rejects and order.state in _TAKEN else self

    def with_orders(self, draft: Draft, within: timedelta) -> "Counts":
        """The same after the orders that a step sends."""
        commit = draft.commit
        made = len(commit.entries) + sum(exit_.order.purpose in _COUNTED for exit_ in commit.exits)
        return replace(self, sent=self.sent.plus(draft.now, made, within)) if made else self

    def since(self, cleared: Mapping[str, datetime]) -> "Counts":
        """The same without what a person knows of."""

        def after(breaker: Breaker, tally: Tally, target: str = "") -> Tally:
            at = cleared.get(latch_key(breaker, target))
            return tally if at is None else tally.since(at)

        def later(breaker: Breaker, times: tuple[datetime, ...]) -> tuple[datetime, ...]:
            at = cleared.get(breaker)
            return times if at is None else tuple(time for time in times if time > at)

        return replace(
            self,
            losses=later(Breaker.LOSSES_IN_A_ROW, self.losses),
            rejects=later(Breaker.REJECTS_IN_A_ROW, self.rejects),
            sent=after(Breaker.ORDER_RATE, self.sent),
            traded=after(Breaker.TRADES, self.traded),
            exceptions=after(Breaker.EXCEPTIONS, self.exceptions),
            repeated={
                symbol: after(Breaker.REPEATED_EXECUTION, tally, symbol) for symbol, tally in self.repeated.items()
            },
        )
