"""Matching: which orders a price fills, and what a fill does to the others of its bracket and group.

Rule 1. A child works for no more than what its parent has filled and its siblings have not used.
Rule 2. A fill in a group cancels the others (type 1) or takes its shares off them (types 2 and 3).
Rule 3. When a parent ends unfilled its children end; when it ends partly filled they stay for the filled part.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from gateway.book import Book
from gateway.contracts import Listing
from gateway.fault_script import Faults
from gateway.faults import ChildrenDie, CommissionFirst, Correct, StatusFirst
from gateway.market import Market, Step
from gateway.messages import commission_report, error, exec_details, open_order, order_status
from gateway.orders import CANCEL_THE_OTHERS, Execution, Order, Status, Terms
from gateway.reports import Reports

_NOT_AT_WORK = frozenset({Status.PENDING_SUBMIT, Status.INACTIVE})
_CENT = Decimal("0.01")
_MICRO = Decimal("0.000001")


def commission_usd(listing: Listing, shares: int, paid_usd: Decimal) -> Decimal:
    """IBKR's fixed plan for one order: 0.005 a share, at most 1 % of its value, or 0.65 a contract; at least 1.00."""
    if listing.multiplier != 1:
        return max(shares * Decimal("0.65"), Decimal(1))
    return min(max(shares * Decimal("0.005"), Decimal(1)), paid_usd / 100).quantize(_MICRO, ROUND_HALF_UP)


class Matching:
    """Fills and ends orders."""

    def __init__(
        self, book: Book, market: Market, faults: Faults, reports: Reports, clock: Callable[[], datetime]
    ) -> None:
        self._book = book
        self._market = market
        self._faults = faults
        self._reports = reports
        self._clock = clock

    def step(self, step: Step) -> None:
        """Match every working order of the symbol, the oldest first."""
        for order in self._book.live():
            if order.listing.symbol == step.symbol:
                self._match(order, step)

    def start(self, order: Order) -> None:
        """An order begins to work: acknowledge it, fill what can be filled now, and let it rest."""
        order.status, order.why_held = Status.PRE_SUBMITTED, self._why_held(order)
        self._report(order)
        self.rematch(order)
        if not order.is_done:
            self._rest(order)

    def rematch(self, order: Order) -> None:
        """Fill what the last price fills."""
        last = self._market.quote(order.listing.symbol).last
        if last is not None and not order.is_done:
            self._match(order, Step(order.listing.symbol, last, jumped=True))

    def change(self, order: Order, terms: Terms) -> None:
        """An order works on by other terms, for the whole quantity that they name."""
        order.terms, order.reduced = terms, 0
        if order.remaining:
            self._report(order)
            self.rematch(order)
        else:
            self.end(order, Status.FILLED)
            self._report(order)

    def cancel(self, order: Order, reason: str = "Order Canceled - reason:") -> None:
        """End an order that is not filled, and what hangs on it."""
        self.end(order, Status.CANCELLED)
        self._reports.tell(order.client_id, order_status(order))
        if order.order_id:
            self._reports.tell(order.client_id, error(order.order_id, 202, reason, self._clock()))
        self._orphan_children(order)

    def end(self, order: Order, status: Status) -> None:
        """Nothing more is to come of an order."""
        order.status, order.why_held = status, ""
        order.completed_at = self._clock()
        order.completed_status = f"{status.value} Size: {order.filled}" if order.filled else status.value

    def execute(self, order: Order, shares: int, price: Decimal) -> Execution:
        """Fill so many shares, whatever the market says; also of an order that has ended."""
        account = self._book.account(order.account)
        order.filled += shares
        order.paid_usd += shares * price
        order.last_price = price
        commission = max(commission_usd(order.listing, order.filled, order.paid_usd) - order.commission_usd, Decimal(0))
        order.commission_usd += commission
        signed_shares = shares if order.is_buy else -shares
        realized = account.book(order.listing.symbol, signed_shares, price * order.listing.multiplier, commission)
        execution = Execution(
            exec_id=self._book.new_execution_id(),
            order=order,
            at=self._clock(),
            shares=shares,
            price=price,
            cumulative=order.filled,
            average_price=order.average_price,
            commission_usd=commission,
            realized_usd=realized.quantize(_CENT),
        )
        self._book.record(execution)
        was_done = order.is_done
        if not was_done:
            self._note_fill(order)
        self._report_fill(execution, with_status=not was_done)
        self._after_fill(execution)
        return execution

    def correct(self, exec_id: str, shares: int | None = None, price: Decimal | None = None) -> Execution:
        """Replace an execution by its next version, everywhere. A bust one costs nothing."""
        old = self._book.execution(exec_id)
        order = old.order
        version = int(old.exec_id.rpartition(".")[2]) + 1
        new = old._replace(
            exec_id=f"{old.root}.{version:02}",
            shares=old.shares if shares is None else shares,
            price=old.price if price is None else price,
            commission_usd=Decimal(0) if shares == 0 else old.commission_usd,
        )
        order.commission_usd += new.commission_usd - old.commission_usd
        order.filled += new.shares - old.shares
        order.paid_usd += new.shares * new.price - old.shares * old.price
        new = new._replace(cumulative=order.filled, average_price=order.average_price)
        self._book.record(new)
        self._book.recount(order.account)
        self._reports.tell(order.client_id, exec_details(new), commission_report(new))
        self._reports.holdings_changed(order.account, order.listing.symbol)
        return new

    def workable(self, order: Order) -> int:
        """Shares that may fill now (rule 1)."""
        parent = self._book.parent(order)
        if parent is None:
            return order.remaining
        return max(min(order.remaining, self._freed(parent)), 0)

    def _freed(self, parent: Order) -> int:
        return parent.filled - sum(child.filled for child in self._book.children(parent))

    def _match(self, order: Order, step: Step) -> None:
        if order.is_done or order.status in _NOT_AT_WORK or not self.workable(order):
            return
        price = self._price(order, step)
        shares = 0 if price is None else self._market.quote(step.symbol).take(self.workable(order))
        if price is not None and shares:
            self.execute(order, shares, price)

    def _price(self, order: Order, step: Step) -> Decimal | None:
        """What it fills at; None when the price does not reach it. Notes that a stop is reached."""
        terms = order.terms
        stop_reached_now = False
        if terms.stop is not None and terms.order_type.startswith("STP") and not order.is_triggered:
            if not _reaches(step.price, terms.stop, upwards=order.is_buy):
                return None
            order.is_triggered = stop_reached_now = True
            self._rest(order)
        at = step.price
        if stop_reached_now and not step.jumped and terms.stop is not None:
            at = terms.stop
        if terms.limit is None or terms.order_type in ("MKT", "STP"):
            return at
        if not _reaches(at, terms.limit, upwards=not order.is_buy):
            return None
        return at if step.jumped else terms.limit

    def _note_fill(self, order: Order) -> None:
        if not order.remaining:
            self.end(order, Status.FILLED)
        elif order.status is Status.INACTIVE:
            order.status, order.why_held = Status.SUBMITTED, ""

    def _rest(self, order: Order) -> None:
        """Say how it waits, when that has changed."""
        why_held = self._why_held(order)
        status = Status.PRE_SUBMITTED if why_held else Status.SUBMITTED
        if (status, why_held) != (order.status, order.why_held):
            order.status, order.why_held = status, why_held
            self._report(order)

    def _why_held(self, order: Order) -> str:
        parent = self._book.parent(order)
        waits = ["child"] if parent and not parent.filled else []
        if order.terms.order_type.startswith("STP") and not order.is_triggered:
            waits.append("trigger")
        return ",".join(waits)

    def _report(self, order: Order) -> None:
        self._reports.tell(order.client_id, open_order(order), order_status(order))

    def _report_fill(self, execution: Execution, *, with_status: bool) -> None:
        """Execution, status, commission: the order of a real gateway, unless a fault turns it round."""
        order = execution.order
        about = (order.listing.symbol, order.client_id)
        fill = [exec_details(execution)]
        status = [open_order(order), order_status(order)] if with_status else []
        commission = [open_order(order, with_commission=True)] if order.status is Status.FILLED else []
        commission.append(commission_report(execution))
        if self._faults.take(CommissionFirst, "fill", *about):
            told = commission + fill + status
        elif self._faults.take(StatusFirst, "fill", *about):
            told = status + fill + commission
        else:
            told = fill + status + commission
        self._reports.tell(order.client_id, *told)
        self._reports.holdings_changed(order.account, order.listing.symbol)

    def _after_fill(self, execution: Execution) -> None:
        order = execution.order
        for other in self._book.group(order):
            if other.oca_type == CANCEL_THE_OTHERS:
                self.cancel(other)
            else:
                self._reduce(other, execution.shares)
        for child in self._book.children(order):
            if not child.is_done and child.transmit:
                self._rest(child)
        if correction := self._faults.take(Correct, "fill", order.listing.symbol, order.client_id):
            self.correct(execution.exec_id, correction.shares, correction.price)

    def _reduce(self, order: Order, shares: int) -> None:
        order.reduced += min(shares, order.remaining)
        if order.remaining:
            self._report(order)
        else:
            self.cancel(order)

    def _orphan_children(self, parent: Order) -> None:
        """Rule 3."""
        children = [child for child in self._book.children(parent) if not child.is_done]
        about = (parent.listing.symbol, parent.client_id)
        dies = not parent.filled or (children and self._faults.take(ChildrenDie, "cancelParent", *about))
        for child in children:
            if dies:
                self.cancel(child)
            else:
                self._reduce(child, max(child.remaining - self._freed(parent), 0))


def _reaches(price: Decimal, level: Decimal, *, upwards: bool) -> bool:
    return price >= level if upwards else price <= level
