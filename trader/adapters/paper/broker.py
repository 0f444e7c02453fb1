"""The paper broker: fills at the open of the next bar, with slippage and commission.

What was decided on a bar is filled at the open of the symbol's next bar, never inside the bar that caused it: an order
sees only bars that start at or after the instant it was made. An entry is filled within its limit or not at all.
The broker's memory dies with the process; after a restart it says of the orders of an earlier one that they ended.

Tests give it a script: what to do with an order that would otherwise be filled whole at the next open.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

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
from trader.domain.market import Bar, BarTime
from trader.domain.money import part, tick_down, tick_up
from trader.domain.order import Fill, Order
from trader.domain.rules import Costs

_REMEMBERED = 1_000
"""Executions that are told again when the broker is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """How one order is treated. The default is a good day."""

    reject: str = ""
    lose_acknowledgement: bool = False
    is_silent: bool = False
    """The order is taken, and nothing is said of that."""
    delay_bars: int = 0
    parts: tuple[int, ...] = ()
    """Shares filled at each bar; what is not named stays unfilled. Empty: everything at the first."""
    repeat_reports: int = 1
    """How often each execution is reported."""
    ignore_cancel: bool = False


Script = Callable[[Order], Treatment]


@dataclass(slots=True)
class _Working:
    order: Order
    treatment: Treatment
    bars_to_wait: int
    parts_left: list[int]
    filled: int = 0
    executions: int = 0
    commission_micros: int = 0

    def next_part(self) -> int:
        """Shares the next bar fills; 0 when the script gives none any more."""
        left = self.order.quantity - self.filled
        if not self.treatment.parts:
            return left
        return min(self.parts_left.pop(0), left) if self.parts_left else 0


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
        self._working: dict[str, _Working] = {}
        self._received: set[str] = set()
        self._executions: deque[Fill] = deque(maxlen=_REMEMBERED)
        self._positions = dict(positions or {})
        self.orders_received = 0
        self.slippage_micros = 0
        """What fills have cost beside the opens that they were made at."""

    def place(self, order: Order) -> None:
        """Take an order, or refuse it."""
        self.orders_received += 1
        self._received.add(order.ref)
        treatment = self._script(order)
        if treatment.reject:
            self._emit(OrderRejected(order.ref, treatment.reject))
            return
        self._working[order.ref] = _Working(order, treatment, treatment.delay_bars, list(treatment.parts))
        if treatment.is_silent:
            return
        if treatment.lose_acknowledgement:
            self._emit(OrderLost(order.ref, "no acknowledgement"))
        else:
            self._emit(OrderAccepted(order.ref))

    def cancel(self, order_ref: str) -> None:
        """End an order, unless it has ended."""
        working = self._working.get(order_ref)
        if working is None or working.treatment.ignore_cancel:
            return
        del self._working[order_ref]
        self._emit(OrderCancelled(order_ref, "cancelled as asked"))

    def expire(self) -> None:
        """The session is over: orders are for the day, and end with it."""
        for order_ref in list(self._working):
            del self._working[order_ref]
            self._emit(OrderCancelled(order_ref, "the session is over"))

    def match(self, bar_time: BarTime) -> None:
        """Fill what the opens of these bars fill."""
        if not self._working:
            return
        bars = {bar.symbol: bar for bar in bar_time.bars}
        for working in list(self._working.values()):
            bar = bars.get(working.order.symbol)
            if bar is None or bar.timestamp < working.order.created_at:
                continue
            if working.bars_to_wait:
                working.bars_to_wait -= 1
                continue
            price = self._price(working.order, bar)
            if price is not None:
                filled = self._execute(working, price, bar.timestamp)
                self.slippage_micros += filled * abs(price - bar.open_micros)

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
        slippage = part(bar.open_micros, self._costs.slippage_ppm)
        if order.side is Side.SELL:
            return tick_down(bar.open_micros - slippage)
        if order.limit_micros is None:
            return tick_up(bar.open_micros + slippage)
        if bar.open_micros > order.limit_micros:
            return None
        return min(tick_up(bar.open_micros + slippage), order.limit_micros)

    def _execute(self, working: _Working, price_micros: int, at: datetime) -> int:
        """Fill the next part; give its shares."""
        quantity = working.next_part()
        if not quantity:
            return 0
        order = working.order
        working.filled += quantity
        working.executions += 1
        owed = self._costs.commission_micros(working.filled, price_micros)
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
            del self._working[order.ref]
        for _ in range(working.treatment.repeat_reports):
            self._emit(FillReported(fill))
        return quantity
