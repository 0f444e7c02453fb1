"""The paper broker: fills at the open of the next bar, with slippage and commission.

What was decided on a bar is filled at the open of the symbol's next bar, never inside the bar that caused it: an order
sees only bars that start at or after the instant it was made. An entry is filled within its limit or not at all.
The broker's memory dies with the process; after a restart it says of the orders of an earlier one that they ended.

Protection is filled inside a bar, and told when that has ended: a stop at its price, or at the open when that lies
below it; a target at its price or a better open. A bar that touches both counts as the stop. A child begins with the
first fill of its entry, for no more than that has bought; what one order of a group sells, the others sell no more.

Tests give it a script: what to do with an order that would otherwise be filled whole at the next open.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from trader.adapters.paper.working import Script, Treatment, Working
from trader.domain.decision import Side
from trader.domain.events import (
    BrokerEvent,
    Ended,
    Evidence,
    FillReported,
    OrderAccepted,
    OrderCancelled,
    OrderLost,
    OrderRejected,
)
from trader.domain.market import Bar, BarTime, by_symbol
from trader.domain.money import part, tick_down, tick_up
from trader.domain.order import Fill, Order
from trader.domain.rules import Costs
from trader.domain.symbol import ticks_of, value_micros

__all__ = ["PaperBroker", "Script", "Treatment"]

_REMEMBERED = 1_000
"""Executions that are told again when the broker is asked."""
_WITH_ITS_ENTRY = "its entry has ended"
_WITH_ITS_GROUP = "its group has sold what it was for"


class PaperBroker:
    """The Broker port on simulated executions."""

    def __init__(
        self,
        emit: Callable[[BrokerEvent], None],
        costs: Costs,
        positions: Mapping[str, int] | None = None,
        script: Script = lambda _: Treatment(),
    ) -> None:
        self._emit = emit
        self._costs = costs
        self._script = script
        self._working: dict[str, Working] = {}
        self._received: set[str] = set()
        self._executions: deque[Fill] = deque(maxlen=_REMEMBERED)
        self._positions = dict(positions or {})
        self._running: BarTime | None = None
        """The bars whose opens were seen last: what happens inside them is known when they have ended."""
        self.orders_received = 0
        self.slippage_micros = 0
        """What fills have cost beside the opens and levels that they were made at."""

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Take an order and its children, or refuse it."""
        entry = self._take(order)
        for child in protection:
            if entry.has_ended:
                self._received.add(child.ref)
                self._emit(OrderCancelled(child.ref, _WITH_ITS_ENTRY))
            else:
                self._take(child, entry)

    def protect(self, pair: Sequence[Order]) -> None:
        """Take a stop and a target, or refuse them."""
        for order in pair:
            self._take(order)

    def _take(self, order: Order, entry: Working | None = None) -> Working:
        self.orders_received += 1
        self._received.add(order.ref)
        working = Working(order, self._script(order), entry)
        treatment = working.treatment
        if treatment.reject:
            working.has_ended = True
            self._emit(OrderRejected(order.ref, treatment.reject))
            return working
        self._working[order.ref] = working
        if treatment.is_silent:
            return working
        if treatment.lose_acknowledgement:
            self._emit(OrderLost(order.ref, "no acknowledgement"))
        else:
            self._emit(OrderAccepted(order.ref))
        return working

    def cancel(self, order_ref: str) -> None:
        """End an order, unless it has ended."""
        working = self._working.get(order_ref)
        if working is not None and not working.treatment.ignore_cancel:
            self._end(working, "cancelled as asked")

    def expire(self) -> None:
        """The session is over: orders are for the day, and end with it; protection stays."""
        self._touch()
        for working in list(self._working.values()):
            if not working.order.is_protection:
                self._end(working, "the session is over")

    def _end(self, working: Working, why: str) -> None:
        """It is filled no further, and neither are children of whom it has bought nothing more."""
        del self._working[working.order.ref]
        working.has_ended = True
        self._emit(OrderCancelled(working.order.ref, why))
        self._end_those_that_are_over(_WITH_ITS_ENTRY)

    def _end_those_that_are_over(self, why: str) -> None:
        for working in list(self._working.values()):
            if working.is_over and working.order.ref in self._working:
                self._end(working, why)

    def match(self, bar_time: BarTime) -> None:
        """Fill what the bars before have touched, and what the opens of these bars fill."""
        self._touch()
        self._running = bar_time
        bars = by_symbol(bar_time.bars) if self._working else {}
        for working in list(self._working.values()):
            order, bar = working.order, bars.get(working.order.symbol)
            if bar is None or not working.works_at(bar.timestamp) or (order.is_protection and not working.is_triggered):
                continue
            if working.bars_to_wait:
                working.bars_to_wait -= 1
                continue
            price = self._price(order, bar)
            if price is not None:
                self._execute(working, bar.open_micros, price, bar.timestamp)

    def _touch(self) -> None:
        """Fill protection inside the bars that have ended; stops before targets, as they were sent."""
        running, self._running = self._running, None
        protection = [working for working in self._working.values() if working.order.is_protection]
        if running is None or not protection:
            return
        bars = by_symbol(running.bars)
        for working in protection:
            order, bar = working.order, bars.get(working.order.symbol)
            if bar is None or working.is_triggered:
                continue
            level = _level_touched(order, bar) if working.works_at(bar.timestamp) else None
            if level is None:
                continue
            if working.bars_to_wait:
                working.bars_to_wait -= 1
                continue
            working.is_triggered = order.stop_micros is not None
            self._execute(working, level, self._sold_at(order, level), running.ends_at)

    async def evidence(self, order_refs: Collection[str]) -> Evidence:
        """A complete answer."""
        return Evidence(
            executions=tuple(self._executions),
            working=frozenset(self._working),
            ended={
                ref: Ended(0, "the embedded broker has begun anew") for ref in order_refs if ref not in self._received
            },
            positions=dict(self._positions),
        )

    def _price(self, order: Order, bar: Bar) -> int | None:
        """Price at the open, slippage against us; None when it is beyond the limit."""
        if order.side is Side.SELL:
            return self._sold_at(order, bar.open_micros)
        slippage = part(bar.open_micros, self._costs.slippage_ppm)
        if order.limit_micros is None:
            return tick_up(bar.open_micros + slippage, ticks_of(order.symbol))
        if bar.open_micros > order.limit_micros:
            return None
        return min(tick_up(bar.open_micros + slippage, ticks_of(order.symbol)), order.limit_micros)

    def _sold_at(self, order: Order, price_micros: int) -> int:
        """A limit keeps its price; what sells at the market slips."""
        if order.limit_micros is not None:
            return price_micros
        return tick_down(price_micros - part(price_micros, self._costs.slippage_ppm), ticks_of(order.symbol))

    def _execute(self, working: Working, level_micros: int, price_micros: int, at: datetime) -> None:
        """Fill the next part."""
        quantity = working.next_part()
        if not quantity:
            return
        order = working.order
        if not working.filled and not order.is_protection:
            working.begins_at = at
        working.filled += quantity
        working.executions += 1
        self.slippage_micros += value_micros(order.symbol, quantity, abs(price_micros - level_micros))
        owed = self._costs.commission_micros(order.symbol, working.filled, price_micros)
        commission = max(owed - working.commission_micros, 0)
        working.commission_micros += commission
        fill = Fill(
            f"{order.ref}.{working.executions}",
            order.ref,
            order.account,
            order.symbol,
            order.side,
            quantity,
            price_micros,
            commission,
            at,
        )
        self._positions[order.symbol] = self._positions.get(order.symbol, 0) + fill.signed_quantity
        self._executions.append(fill)
        if working.filled == order.quantity:
            working.has_ended = True
            del self._working[order.ref]
        for _ in range(working.treatment.repeat_reports):
            self._emit(FillReported(fill))
        if order.is_protection:
            self._reduce(self._others_of(order), quantity)

    def _others_of(self, order: Order) -> Iterable[Working]:
        same_group = [working for working in self._working.values() if working.order.oca == order.oca]
        return [working for working in same_group if working.order.ref != order.ref]

    def _reduce(self, others: Iterable[Working], shares: int) -> None:
        """What one order of a group has sold."""
        for working in others:
            working.sold_by_others += shares
        self._end_those_that_are_over(_WITH_ITS_GROUP)


def _level_touched(order: Order, bar: Bar) -> int | None:
    """The price inside a bar at which protection is filled, before slippage; None where it is not."""
    if order.stop_micros is not None:
        return min(order.stop_micros, bar.open_micros) if bar.low_micros <= order.stop_micros else None
    limit_micros = order.limit_micros or 0
    return max(limit_micros, bar.open_micros) if bar.high_micros >= limit_micros else None
