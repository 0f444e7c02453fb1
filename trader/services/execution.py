"""Execution: what the broker says about orders, and positions on their way out."""

from datetime import datetime, timedelta
from typing import NamedTuple

from trader.domain.alarm import AlarmType
from trader.domain.decision import Close, ExitTicket, Purpose, Signal
from trader.domain.errors import IllegalTransition
from trader.domain.events import JournalType, OrderAccepted, OrderCancelled, OrderLost, OrderRejected
from trader.domain.exit_plan import ExitReason
from trader.domain.family import Family
from trader.domain.ledger import Position, PositionState
from trader.domain.order import Order, OrderEvent, OrderState
from trader.domain.rules import Rules
from trader.pipeline.exits import pursue
from trader.services.cancelling import Cancelling
from trader.services.changed import Changed
from trader.services.protecting import Protecting, expect_end
from trader.services.step import Level, Step

OrderReport = OrderAccepted | OrderCancelled | OrderRejected | OrderLost

_EVENTS = {
    OrderAccepted: OrderEvent.ACCEPTED,
    OrderCancelled: OrderEvent.CANCELLED,
    OrderRejected: OrderEvent.REJECTED,
    OrderLost: OrderEvent.LOST,
}

_NEUTRAL = 0.5
_EXIT_RETRY = timedelta(seconds=5)
_ANSWER_PATIENCE = {OrderState.CREATED: timedelta(seconds=10), OrderState.CANCELLING: timedelta(seconds=30)}
_FORGET_FAILED = timedelta(minutes=1)
_EXIT_PATIENCE = timedelta(seconds=120)
_REDUCTION_WAITS = timedelta(minutes=1)


class _Reduction(NamedTuple):
    """A sale of a part of what is held, and since when it waits."""

    ticket: ExitTicket
    since: datetime


class Execution:
    """Follows orders to their end."""

    def __init__(self, rules: Rules) -> None:
        self.cancelling = Cancelling(timedelta(seconds=rules.entry_timeout_s))
        self.protecting = Protecting(rules, self.cancelling)
        self.changed = Changed(self.cancelling, self.protecting)
        self._reductions: dict[str, _Reduction] = {}
        """Symbol -> a sale that waits until what protects it at the broker has ended."""
        self._failed_exits: dict[str, str] = {}
        """Symbol -> the exit that failed last."""
        self._failed_at: dict[str, datetime] = {}
        self._overdue: set[str] = set()
        """References of orders that were paged."""

    def report(self, step: Step, event: OrderReport) -> None:
        """Take in what the broker says. An order that memory does not hold has ended before: nothing to do."""
        draft = step.draft
        order = draft.orders.get(event.order_ref)
        if order is None:
            return
        try:
            after = order.after(_EVENTS[type(event)], draft.now)
        except IllegalTransition as error:
            draft.alarm(AlarmType.IMPOSSIBLE_REPORT, order.symbol, str(error))
            step.say(Level.ERROR, f"IMPOSSIBLE REPORT {error}")
            return
        if after.state is order.state:
            return
        draft.set_order(after)
        if isinstance(event, OrderAccepted) and order.state is not OrderState.UNKNOWN:
            return
        reason = "found at the broker" if isinstance(event, OrderAccepted) else event.reason
        draft.note(JournalType.ORDER_STATE, order.symbol, order_ref=order.ref, state=after.state, reason=reason)
        step.say(
            Level.INFO if isinstance(event, OrderCancelled) else Level.WARNING,
            f"ORDER {after.state.upper()} {order.side} {order.symbol} {order.filled}/{order.quantity} "
            f"ref={order.ref}: {reason} account={order.account}",
        )
        self._give_back(step, after, reason)
        if order.is_protection and order.state is not OrderState.CANCELLING and not after.live:
            self.protecting.failed(after)

    def _give_back(self, step: Step, order: Order, reason: str) -> None:
        """An ended entry gives back its lock: the broker's word is the evidence. An ended exit will be tried again."""
        if order.live:
            return
        self.cancelling.forget([order.ref])
        self._overdue.discard(order.ref)
        lock = step.draft.locks.get(order.symbol)
        if lock is not None and lock.order_ref == order.ref:
            evidence = f"{order.state}: {reason}"
            step.draft.release(lock, evidence)
            step.draft.note(JournalType.LOCK_RELEASED, lock.symbol, order_ref=lock.order_ref, evidence=evidence)
            step.draft.entry_ended(lock.symbol)
        if order.purpose is Purpose.ENTRY and not order.filled:
            expect_end(step.draft, order.symbol, order.ref, "its entry has bought nothing")
        if order.is_own_exit:
            self.failed(order)

    def failed(self, order: Order) -> None:
        """An exit that came to nothing is tried again, not hammered.

        Remembered is when it failed first: while the book cannot be written the same report comes up every step.
        """
        recent = {ref: at for ref, at in self._failed_at.items() if order.updated_at - at < _FORGET_FAILED}
        self._failed_at = recent
        self._failed_at.setdefault(order.ref, order.updated_at)
        self._failed_exits[order.symbol] = order.ref

    def not_happened(self) -> None:
        """What was paged and asked in a step that has not happened is paged and asked again."""
        self.cancelling.not_happened()
        self.protecting.not_happened()
        self.changed.not_happened()
        self._overdue.clear()
        self._reductions.clear()

    def doubt_unanswered(self, step: Step) -> None:
        """An order or a cancel that the broker has not answered in time: of unknown fate, nothing may be assumed."""
        for order in list(step.draft.orders.values()):
            patience = _ANSWER_PATIENCE.get(order.state)
            waits = step.draft.now - order.updated_at
            if patience is not None and waits >= patience:
                what = "cancel" if order.state is OrderState.CANCELLING else "order"
                self.report(step, OrderLost(order.ref, f"no answer to the {what} in {waits.total_seconds():.0f} s"))

    def close(self, step: Step, close: Close) -> None:
        """Mark a position as on its way out; `pursue_exits` does the rest until it is flat."""
        position = step.draft.positions.get(close.symbol)
        if position is None or position.state is PositionState.CLOSING:
            return
        step.draft.set_position(position.closing(close.purpose, close.reason, step.draft.now))
        step.draft.note(
            JournalType.POSITION_CLOSING,
            close.symbol,
            purpose=close.purpose,
            reason=close.reason,
            signal_id=close.signal_id,
        )
        step.say(
            Level.INFO, f"CLOSING {close.symbol} {position.quantity} reason={close.reason} account={position.account}"
        )

    def repair(self, step: Step, family: Family, newest: Signal | None) -> None:
        """Close one side of a family that is held both ways."""
        sides: dict[int, list[Position]] = {1: [], -1: []}
        for symbol in family.members:
            position = step.draft.positions.get(symbol)
            if position is not None:
                sides[position.direction].append(position)
        if newest is not None and newest.probability != _NEUTRAL:
            wrong = -1 if newest.probability > _NEUTRAL else 1
        else:
            wrong = min(sides, key=lambda side: sum(p.cost_micros * abs(family.members[p.symbol]) for p in sides[side]))
        step.draft.note(JournalType.CONFLICT_FOUND, family.name, closing_side=wrong)
        step.say(Level.ERROR, f"CONFLICT {family.name} is held long and inverse; closing the side {wrong:+d}")
        for position in sides[wrong]:
            self.close(step, Close(position.symbol, Purpose.EXIT, ExitReason.CONFLICT_REPAIR))

    def pursue_exits(self, step: Step) -> None:
        """For each position on its way out: take the next step that is still missing."""
        draft = step.draft
        self._reduce(step)
        closing = [held for held in draft.positions.values() if held.state is PositionState.CLOSING]
        for position in closing:
            self._page_overdue(step, position.symbol)
            if self._waits_to_retry(step, position.symbol):
                continue
            in_front = self.cancelling.in_front(step, position.symbol)
            if not self.protecting.withdraw(step, position.symbol, f"its position closes: {position.closing_reason}"):
                self._page_withdrawal(step, position.symbol)
            action = pursue(position, draft.may_sell(position), draft.exits.get(position.symbol), in_front)
            if isinstance(action, ExitTicket):
                self.exit(step, action)
            elif action is not None:
                self.cancelling.ask(step, action.order_ref, f"its position closes: {position.closing_reason}")

    def shrink_exits(self, step: Step) -> None:
        """An exit that asks for more than is (still) held is cancelled; the right one follows when it has ended.

        At any hour: by a market clock that was set back the exchange is closed, and fills the exit all the same.
        """
        for order in list(step.draft.exits.values()):
            position = step.draft.positions.get(order.symbol)
            most = step.draft.may_sell(position) if position is not None else 0
            if order.remaining > most:
                self.cancelling.ask(step, order.ref, f"asks for {order.remaining} of {most} held")

    def _page_overdue(self, step: Step, symbol: str) -> None:
        """An exit that does not get done (a halted symbol) stays working, and a person is told, once an order."""
        order = step.draft.exits.get(symbol)
        if order is None or order.ref in self._overdue:
            return
        waits = step.draft.now - order.created_at
        if waits < _EXIT_PATIENCE:
            return
        self._overdue.add(order.ref)
        what = f"exit {order.ref} of {order.remaining} {symbol} is {order.state} for {waits.total_seconds():.0f} s"
        step.draft.alarm(AlarmType.EXIT_NOT_DONE, symbol, what)
        step.say(Level.ERROR, f"EXIT NOT DONE {what}; it stays working account={order.account}")

    def exit(self, step: Step, ticket: ExitTicket) -> None:
        """Draft a reduce-only order, unless the exit slot is taken, or protection lives at the broker."""
        if ticket.symbol not in step.draft.exits and not step.draft.protection(ticket.symbol):
            step.draft.exit(ticket)

    def reduce(self, step: Step, ticket: ExitTicket) -> None:
        """Sell a part of what is held, as soon as nothing protects it at the broker."""
        if step.draft.protection(ticket.symbol):
            self._reductions.setdefault(ticket.symbol, _Reduction(ticket, step.draft.now))
        else:
            self.exit(step, ticket)

    def _reduce(self, step: Step) -> None:
        draft = step.draft
        for symbol, (ticket, since) in list(self._reductions.items()):
            position = draft.positions.get(symbol)
            is_late = draft.now - since > _REDUCTION_WAITS
            if position is None or position.state is PositionState.CLOSING or symbol in draft.exits or is_late:
                del self._reductions[symbol]
            elif self.protecting.withdraw(step, symbol, f"a part is sold: {ticket.reason}"):
                del self._reductions[symbol]
                self.exit(step, ticket._replace(quantity=min(ticket.quantity, draft.may_sell(position))))

    def _page_withdrawal(self, step: Step, symbol: str) -> None:
        """An exit that waits for what the broker does not end is told to a person, once an order."""
        for order in step.draft.protection(symbol):
            since = self.cancelling.asked_since(order.ref)
            waits = step.draft.now - since if since is not None else timedelta()
            if waits < _EXIT_PATIENCE or order.ref in self._overdue:
                continue
            self._overdue.add(order.ref)
            asked = f"was asked to end {waits.total_seconds():.0f} s ago"
            what = f"protection {order.ref} of {symbol} {asked} and is {order.state}"
            step.draft.alarm(AlarmType.EXIT_NOT_SENT, symbol, what)
            step.say(Level.ERROR, f"EXIT NOT SENT {what}; it waits for the broker account={order.account}")
            return

    def _waits_to_retry(self, step: Step, symbol: str) -> bool:
        """An exit that was just refused is not hammered. By a clock that was set back meanwhile, nobody knows when."""
        failed_at = self._failed_at.get(self._failed_exits.get(symbol, ""))
        return failed_at is not None and abs(step.draft.now - failed_at) < _EXIT_RETRY
