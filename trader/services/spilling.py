"""Exits that go on while the book cannot be written: written down elsewhere, sent, and brought home.

Rule 1: an exit is durable before it is sent, in the spill when the book cannot take it; where not even the spill can,
it is sent all the same, and said: getting out is worth more than a row.
Rule 2: every step that follows begins with what was spilled, so that nothing is sent twice and its fills find it.
Rule 3: the first commit that succeeds has it all, once; then the spill is cleared. An order that the book knows
(its number is not above the book's) is not taken up again.
"""

from trader.domain.order import Order
from trader.domain.portfolio import Book
from trader.domain.reference import reference_number
from trader.services.draft import Draft
from trader.services.ports import Broker, Log, Spill
from trader.services.step import Step


class Spilling:
    """What has left and is not in the book."""

    def __init__(self, spill: Spill, broker: Broker, log: Log) -> None:
        self._spill = spill
        self._broker = broker
        self._log = log
        self._orders: list[Order] = []

    def __bool__(self) -> bool:
        return bool(self._orders)

    def take_up(self, book: Book) -> None:
        """At a start: what a run that is over has sent and could not book."""
        found = [order for order in self._spill.read() if order.account == book.account]
        self._orders = [order for order in found if reference_number(order.ref) > book.orders_made]
        for order in self._orders:
            self._log.error(
                f"SPILLED EXIT {order.quantity} {order.symbol} ref={order.ref} had left while the book could not be "
                f"written; it is booked now account={order.account}"
            )

    def into(self, draft: Draft) -> None:
        """A step begins with it."""
        if self._orders:
            draft.adopt(self._orders)

    def get_out(self, step: Step) -> None:
        """Of a step that could not be written: its exits, and the cancels that stand in their way, go all the same."""
        for exit_ in step.draft.commit.exits:
            self._write_down(exit_.order)
            self._orders.append(exit_.order)
            self._broker.place(exit_.order)
        for order_ref in step.cancel:
            self._broker.cancel(order_ref)

    def _write_down(self, order: Order) -> None:
        where = "it is in the spill file"
        try:
            self._spill.append(order)
        except OSError as error:
            where = f"NOT EVEN THE SPILL FILE TAKES IT ({error.strerror}); a restart will not know of it"
        self._log.error(
            f"EXIT WITHOUT THE BOOK {order.quantity} {order.symbol} reason={order.reason} ref={order.ref}: {where} "
            f"account={order.account}"
        )

    def written(self) -> None:
        """The book has it all."""
        if not self._orders:
            return
        self._orders = []
        try:
            self._spill.clear()
        except OSError as error:  # its orders are in the book, which knows them again
            self._log.error(f"the spill file cannot be cleared: {error.strerror}")
