"""Orders at Interactive Brokers: the Broker port.

Rule 1: a reference is sent once, under an id above every id seen, while the servers can be reached. What was not sent
is rejected, for that is certain; what was sent and not answered when the epoch ends is of unknown fate.
Rule 2: an execution is told at once, whoever asked for it and whatever is said of its order (see `executions`).
Rule 3: only the broker's status, or its list of completed orders, ends an order (see `reports`).
Rule 4: what is not ours by reference is listed and left alone. Cancelled is order by order, never everything.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from trader.adapters.ibkr.asking import Asking, Told, told_since
from trader.adapters.ibkr.cash import cash_micros
from trader.adapters.ibkr.completed import ended_orders
from trader.adapters.ibkr.connection import Connection, Session
from trader.adapters.ibkr.contracts import Contracts, Qualified
from trader.adapters.ibkr.executions import Executions
from trader.adapters.ibkr.foreign import Foreign, ForeignList
from trader.adapters.ibkr.margin import MarginCheck
from trader.adapters.ibkr.messages import Commission, Execution, Failure, Message, OpenOrder, Status
from trader.adapters.ibkr.reports import Reports
from trader.adapters.ibkr.telling import Telling
from trader.adapters.ibkr.tracking import Tracked, Tracking
from trader.adapters.ibkr.translate import fault_of, wire_order
from trader.domain.decision import Side
from trader.domain.errors import BrokerUnreachable
from trader.domain.events import BrokerEvent, EpochEnded, Evidence, OrderCancelled, OrderLost, OrderRejected
from trader.domain.order import Order
from trader.domain.reference import epoch_of, is_order_ref
from trader.services.ports import Clock, Log

_OVER = frozenset({"Filled", "Cancelled", "ApiCancelled"})
_TOO_LATE = "the connection ended before it left"


class _Part(NamedTuple):
    """One order of what is sent together."""

    order: Order
    tracked: Tracked


class _Bundle(NamedTuple):
    """Orders that are sent together, in one epoch, or not at all."""

    session: Session
    epoch: int
    contract: Qualified
    parts: tuple[_Part, ...]
    has_parent: bool
    """The others are children of the first."""


class IbkrBroker:
    """Places, cancels and tells, on whatever session the connection has."""

    def __init__(
        self,
        connection: Connection,
        contracts: Contracts,
        account_name: str,
        emit: Callable[[BrokerEvent], None],
        log: Log,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._contracts = contracts
        telling = Telling(emit)
        self._tell = telling.event
        self._log = log
        self._clock = clock
        self._found = ForeignList(log)
        self.first_epoch = 1
        """Of the book; references of earlier ones are of a book that is gone."""
        self._tracking = Tracking(
            connection.address.client_id, lambda ref: self._is_ours(ref, account_name), telling.event
        )
        self._executions = Executions(account_name, contracts, telling.execution, clock, log)
        self._reports = Reports(self._executions, telling.event, self.cancel, log, connection.timing.executions_s)
        self._asking = Asking(connection.account, contracts, connection.timing, self._found)
        self._checks: dict[str, MarginCheck] = {}
        self._epoch_began_at: datetime | None = None
        self._held: dict[str, int] = {}
        """Symbol -> shares, by the last complete answer and the executions told since."""
        connection.listeners.append(self)

    @property
    def foreign(self) -> tuple[Foreign, ...]:
        """Orders, executions and positions that are not ours."""
        return self._found.all

    def _is_ours(self, ref: str, account_name: str) -> bool:
        return is_order_ref(ref, account_name) and epoch_of(ref) >= self.first_epoch

    # placing

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Send an order, once; one that would add to what is held after IB's word on its margin.

        `protection` goes with it as its children: IB lets them begin to work as the order is filled.
        """
        bundle = self._take((order, *protection), parent=bool(protection))
        if bundle is None:
            return
        if order.side is Side.BUY and self._held.get(order.symbol, 0) > 0:
            self._check_margin(bundle)
        else:
            self._send(bundle)

    def protect(self, pair: Sequence[Order]) -> None:
        """Send a stop and a target that stand alone, once."""
        bundle = self._take(tuple(pair), parent=False)
        if bundle is not None:
            self._send(bundle)

    def _take(self, orders: tuple[Order, ...], *, parent: bool) -> _Bundle | None:
        """What is sent together, or None when any of it cannot be: then none of it is, and all of it is rejected."""
        if any(self._tracking.get(order.ref) is not None for order in orders):
            self._log.error(f"ORDER {orders[0].ref} is at the broker already and is not sent again")
            return None
        session, contract = self._connection.session, self._contracts.get(orders[0].symbol)
        why_not = next(filter(None, (self._why_not(order, session, contract) for order in orders)), "")
        if why_not or session is None or contract is None:
            for order in orders:
                self._tell(OrderRejected(order.ref, f"not sent: {why_not}"))
            return None
        parts = tuple(_Part(order, self._tracking.begin(order)) for order in orders)
        return _Bundle(session, session.epoch, contract, parts, has_parent=parent)

    def _why_not(self, order: Order, session: Session | None, contract: Qualified | None) -> str:
        if session is None:
            return f"the connection to Interactive Brokers is {self._connection.standing.link}"
        if contract is None:
            return f"{order.symbol} was not qualified at start"
        return fault_of(order, self._connection.account, contract.min_tick_micros)

    def _check_margin(self, bundle: _Bundle) -> None:
        order = bundle.parts[0].order

        def settled(why_not: str) -> None:
            del self._checks[order.ref]
            if why_not:
                self._rejected(bundle, why_not)
            else:
                self._send(bundle)

        check = self._checks[order.ref] = MarginCheck(bundle.session, self._connection.timing.margin_s, settled)
        check.ask(bundle.contract.contract, wire_order(order, self._connection.account))

    def _send(self, bundle: _Bundle) -> None:
        """Hand it to the way out, where it may have to wait; its ids are taken when it leaves."""

        def send() -> None:
            if not self._is_current(bundle.session, bundle.epoch):
                self._rejected(bundle, _TOO_LATE)
            elif any(part.tracked.is_withdrawn for part in bundle.parts):
                for order, tracked in bundle.parts:
                    tracked.is_ended = True
                    self._tell(OrderCancelled(order.ref, "cancelled before it was sent"))
            else:
                self._send_now(bundle)

        bundle.session.outgoing.order(send, lambda: self._rejected(bundle, _TOO_LATE))

    def _send_now(self, bundle: _Bundle) -> None:
        """Only the last child makes IB act on an entry: what arrives in part does nothing.

        Orders without a parent set off nobody but themselves, so that each of them has to be transmitted.
        """
        session, contract, parent_id = bundle.session, bundle.contract.contract, 0
        if bundle.has_parent:
            bundle.parts[-1].tracked.sets_off = bundle.parts[0].order.ref
        for order, tracked in bundle.parts:
            self._tracking.sent_as(tracked, session.take_id())
            wired = wire_order(order, self._connection.account)
            wired.parentId = parent_id
            wired.transmit = not bundle.has_parent or tracked is bundle.parts[-1].tracked
            session.client.placeOrder(tracked.order_id, contract, wired)
            if bundle.has_parent and not parent_id:
                parent_id = tracked.order_id

    def _rejected(self, bundle: _Bundle, why: str) -> None:
        for order, tracked in bundle.parts:
            tracked.is_ended, tracked.is_unanswered = True, False
            self._tell(OrderRejected(order.ref, f"not sent: {why}"))

    def cancel(self, order_ref: str) -> None:
        """Ask for an order to be cancelled, by the id that this client has sent it under."""
        tracked, session = self._tracking.get(order_ref), self._connection.session
        if tracked is None:
            self._log.warning(f"CANCEL of {order_ref}: the broker has not shown this order; nothing is sent")
        elif session is None:
            self._log.warning(f"CANCEL of {order_ref}: no connection; nothing is sent")
        elif tracked.order_id:
            self._send_cancel(session, tracked)
        elif tracked.perm_ids:
            self._log.error(f"CANCEL of {order_ref}: it was placed under another client id; cancel it in TWS")
        else:
            tracked.is_withdrawn = True

    def _send_cancel(self, session: Session, tracked: Tracked) -> None:
        order_id, epoch = tracked.order_id, session.epoch

        def send() -> None:
            if self._is_current(session, epoch):
                tracked.is_cancel_due = True
                session.client.cancelOrder(order_id, "")

        session.outgoing.order(send, lambda: None)

    def _is_current(self, session: Session, epoch: int) -> bool:
        """Whether the epoch still lasts: with the servers lost nothing may leave, though the socket stands."""
        return self._connection.session is session and session.epoch == epoch

    # asking

    async def evidence(self, order_refs: Collection[str]) -> Evidence:
        """Ask what became of orders, and what is held. Raises BrokerUnreachable when there is no connection."""
        session = self._connection.session
        if session is None:
            raise BrokerUnreachable(f"Interactive Brokers cannot be asked: {self._connection.standing.last_error}")
        epoch = session.epoch
        told = await self._asking.everything(session)
        cash = await cash_micros(self._connection)
        if not self._is_current(session, epoch):
            raise BrokerUnreachable(f"the connection ended meanwhile: {self._connection.standing.last_error}")
        if cash is None:
            self._log.warning("IB CASH of the account is not told completely: what it holds counts as unknown")
            return self._evidence(replace(told, positions=None), order_refs, None)
        return self._evidence(told, order_refs, cash)

    def _evidence(self, told: Told, order_refs: Collection[str], cash: int | None) -> Evidence:
        if told.positions is not None:
            self._held = dict(told.positions)
        executions = working = ended = None
        if told.executions is not None:
            heard = (self._executions.get(one.execution_id) for one in told.executions)
            executions = tuple(fill for fill in heard if fill is not None)
        if told.open_orders is not None:
            working = self._working(told.open_orders)
        if told.completed_orders is not None:
            mine = [one for one in told.completed_orders if one.account == self._connection.account]
            ended = ended_orders(order_refs, mine, self._executions.filled)
        since = told_since(self._clock.now())
        return Evidence(executions, working, ended, told.positions, cash, self._epoch_began_at, since)

    def _working(self, orders: tuple[OpenOrder, ...]) -> frozenset[str]:
        """References of ours among the open orders. Inactive is among them: it may still be waiting for a locate."""
        self._found.remove("order", {_identity(one) for one in orders})
        tracked = [self._order_of(one) for one in orders if one.status not in _OVER]
        return frozenset(one.ref for one in tracked if one is not None)

    # being told

    def begun(self, _session: Session) -> None:
        """Nothing is known before it is asked."""
        self._epoch_began_at = self._clock.now()

    def ended(self, reason: str) -> None:
        """The epoch has ended: what was to be sent is not, what was sent and not answered is lost."""
        for check in list(self._checks.values()):
            check.settle(f"{_TOO_LATE}: {reason}")
        for tracked in self._tracking:
            if tracked.is_unanswered and not tracked.is_ended:
                tracked.is_unanswered = False
                self._tell(OrderLost(tracked.ref, f"sent, and not answered when the connection ended: {reason}"))
        self._tell(EpochEnded(reason))

    def hear(self, message: Message) -> None:
        """Take in what came unasked, and what came for somebody who asked."""
        if isinstance(message, Commission):
            self._executions.hear_commission(message)
        elif isinstance(message, Execution):
            self._executed(message)
        elif isinstance(message, Failure):
            tracked = self._tracking.by_id(message.id)
            if tracked is not None:
                self._reports.failure(tracked, message)
        elif isinstance(message, Status):
            tracked = self._tracking.of(message)
            if tracked is not None:
                self._reports.status(tracked, message)
        else:
            tracked = self._order_of(message)
            if tracked is not None:
                self._reports.open_order(tracked, message)

    def _executed(self, execution: Execution) -> None:
        tracked = self._tracking.of(execution) if execution.account == self._connection.account else None
        if tracked is None:
            what = f"{execution.side} {execution.shares} at {execution.price} ref {execution.order_ref!r:.42}"
            found = Foreign("execution", execution.execution_id, execution.account, execution.symbol, what)
            self._found.add(found)
            return
        tracked.is_unanswered = False
        fill = self._executions.hear(execution, tracked.ref)
        if fill is not None and not fill.fault:
            self._held[fill.symbol] = self._held.get(fill.symbol, 0) + fill.signed_quantity

    def _order_of(self, order: OpenOrder) -> Tracked | None:
        """The order of ours that an open order is; what is not ours is listed."""
        tracked = self._tracking.of(order) if order.account == self._connection.account else None
        if tracked is None:
            what = f"{order.side} {order.quantity:g} {order.order_type} of client {order.client_id}, {order.status}"
            self._found.add(Foreign("order", _identity(order), order.account, order.symbol, what))
        return tracked


def _identity(order: OpenOrder) -> str:
    """What tells an order from all others; an order that was not made at IB has no permId."""
    return str(order.perm_id or f"{order.client_id}/{order.order_id}")
