"""Exits that go on while the book cannot be written: written down elsewhere, sent, and brought home.

Rule 1: an exit is durable before it is sent, in the spill when the book cannot take it; where not even the spill can,
it is sent all the same, and said: getting out is worth more than a row.
Rule 2: every step that follows begins with what was spilled, so that nothing is sent twice and its fills find it.
Rule 3: the first commit that succeeds has it all, once; then the spill is cleared. An order that the book knows
(its number is not above the book's) is not taken up again.
Rule 4: a number that has left, or was to be committed, is spent, also where its order cannot be booked: a commit that
failed may be on the disk all the same, and what was sent carries its reference for ever.
"""

from trader.domain.ledger import shares_held
from trader.domain.order import Order, OrderState
from trader.domain.portfolio import Book
from trader.domain.reference import order_ref, reference_number
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

    def take_up(self, book: Book) -> Book:
        """At a start: what a run that is over has sent and could not book. Gives the book without its numbers."""
        spent = book.orders_made
        for order in self._spill.read():
            if _is_of(book, order):
                spent = max(spent, reference_number(order.ref))
            strange = _strange(order, book)
            if strange:
                self._log.error(f"{_called(order)} IS NOT BOOKED: {strange}")
            elif reference_number(order.ref) > book.orders_made:
                self._orders = [*(_ended_before(order, earlier) for earlier in self._orders), order]
                self._log.error(
                    f"{_called(order)} had left while the book could not be written; it is booked now "
                    f"account={order.account}"
                )
        return book.spent(spent)

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
        for ref in step.cancel:
            self._broker.cancel(ref)

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

    def give_up(self, why: str) -> None:
        """The book will never take it: what was sent is for a person to look after. The spill file keeps it."""
        for order in self._orders:
            self._log.error(
                f"{_called(order)} CANNOT BE BOOKED: {why}; compare the book with the broker account={order.account}"
            )
        self._orders = []

    def written(self) -> None:
        """The book has it all."""
        if not self._orders:
            return
        self._orders = []
        try:
            self._spill.clear()
        except OSError as error:  # its orders are in the book, which knows them again
            self._log.error(f"the spill file cannot be cleared: {error.strerror}")


def _called(order: Order) -> str:
    return f"SPILLED EXIT {order.quantity} {order.symbol} ref={order.ref}"


def _ended_before(order: Order, earlier: Order) -> Order:
    """An exit of a symbol is made when the one before it has ended; how, only the run that is over has heard."""
    return earlier._replace(state=OrderState.CANCELLED) if earlier.symbol == order.symbol else earlier


def _is_of(book: Book, order: Order) -> bool:
    return order.ref == order_ref(book.account, book.epoch, reference_number(order.ref))


def _strange(order: Order, book: Book) -> str:
    """Why an exit cannot be one of this book: the book was put in place of the one that it left."""
    if not _is_of(book, order):
        return f"it is of another account or another epoch than {book.account}, {book.epoch}"
    held = shares_held(book.positions, order.symbol)
    if reference_number(order.ref) > book.orders_made and order.quantity > held:
        return f"the book holds {held}; see what the broker says of it"
    return ""
