"""Exits that go on while the book cannot be written: written down elsewhere, sent, and brought home.

Rule 0: what is protected at the broker stays so: its protection is not taken back before the book can be written.
Rule 1: an exit is durable before it is sent, in the spill when the book cannot take it; where not even the spill can,
it is sent all the same, and said: getting out is worth more than a row.
Rule 2: every step that follows begins with what was spilled, so that nothing is sent twice and its fills find it.
Rule 3: the first commit that succeeds has it all, once; then the spill is cleared. An order that is in the book is not
taken up again.
Rule 4: at a start, an exit of more than the book holds, or beside another exit that the book holds as live, waits for
the broker's complete answer: what was bought, and what ended, while the book could not be written is not in the book.
It is booked in one step with that answer, or said. Its number is used up at once, and no execution of its symbol is
heard before: neither may it be nobody's, nor may what was bought be sold a second time.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from trader.domain.decision import Side
from trader.domain.events import Event, EvidenceGiven, FillReported
from trader.domain.ledger import shares_held
from trader.domain.order import Fill, Order, OrderState
from trader.domain.portfolio import Book
from trader.domain.reference import order_ref, reference_number
from trader.services.draft import Draft
from trader.services.ports import Broker, Log, Spill
from trader.services.step import Step


class Spilling:
    """What has left and is not in the book."""

    def __init__(self, spill: Spill, broker: Broker, log: Log, ended: Collection[str]) -> None:
        """`ended` are the references of orders that the book knows to have ended lately."""
        self._spill = spill
        self._broker = broker
        self._log = log
        self._ended = ended
        self._orders: list[Order] = []
        self._waiting: list[Order] = []
        """Of an earlier run, and not to be booked before the broker has been heard."""
        self._shown: list[Order] = []
        """Of those: what the step of the moment can book, by the evidence in it."""
        self._put_off: list[Event] = []
        """Corrections that the next step may hear."""
        self._told: set[str] = set()
        """Symbols of which it was said that their protection stays."""
        self._is_said = False
        """That one has no place in the book, by the broker's complete answer: the file need not keep it."""

    def __bool__(self) -> bool:
        return bool(self._orders)

    @property
    def waiting(self) -> tuple[str, ...]:
        """References that the broker has to be asked about before they can be booked."""
        return tuple(order.ref for order in self._waiting)

    def take_up(self, book: Book) -> int:
        """At a start: what a run that is over has sent and could not book. Gives the highest number it has used."""
        highest = book.orders_made
        for order in self._spill.read():
            if order.ref != order_ref(book.account, book.epoch, reference_number(order.ref)):
                self._not_booked(order, f"it is of another account or another epoch than {book.account}, {book.epoch}")
                continue
            highest = max(highest, reference_number(order.ref))
            if order.ref not in book.orders and order.ref not in self._ended:
                self._waiting.append(order)
        self._take_over(book)
        return highest

    def _take_over(self, book: Book | Draft) -> None:
        """Of what waits: what the book can take without the broker's word, the exits of a symbol in their order."""
        waiting, self._waiting = self._waiting, []
        for order in waiting:
            held = shares_held(book.positions, order.symbol)
            is_next = order.symbol not in {earlier.symbol for earlier in self._waiting}
            if order.quantity <= held and order.symbol not in book.exits and is_next:
                self._orders = _one_more(self._orders, order)
                self._booked_now(order)
            else:
                self._waiting.append(order)

    def into(self, draft: Draft, unbooked: Collection[Fill] | None) -> None:
        """A step begins with it. `unbooked`: all executions that the book lacks, if the step has a complete answer."""
        self._take_over(draft)
        self._shown = self._held_after(draft, unbooked) if unbooked is not None else []
        if self._orders or self._shown:
            draft.adopt([*self._orders, *self._shown])

    def audible(self, events: Sequence[Event]) -> list[Event]:
        """What a step may hear: no execution of a symbol of which an exit waits. The complete answer tells it again.

        And no correction of what was bought while an exit of its symbol is booked: that is put off by a step. The exit
        was made of what was held when it left; the book would refuse it, and with it all that has left, if shares were
        taken back before. One of a sale gives shares back, of which the exit may have been made.
        """
        gathered, self._put_off = [*self._put_off, *events], []
        unheard = {order.symbol for order in self._waiting if order not in self._shown}
        uncorrected = {order.symbol for order in (*self._orders, *self._shown)}
        if not (unheard or uncorrected):
            return gathered

        def is_put_off(fill: Fill) -> bool:
            return bool(fill.corrects) and fill.side is Side.BUY and fill.symbol in uncorrected

        def is_heard(fill: Fill) -> bool:
            return fill.symbol not in unheard and not is_put_off(fill)

        self._put_off = [event for event in gathered if isinstance(event, FillReported) and is_put_off(event.fill)]
        return [
            _without(event, is_heard)
            for event in gathered
            if not isinstance(event, FillReported) or is_heard(event.fill)
        ]

    def _held_after(self, draft: Draft, unbooked: Collection[Fill]) -> list[Order]:
        """Of what waits: exits of shares that the book holds with these executions. The others have no place in it."""
        for order in list(self._waiting):
            others = [fill for fill in unbooked if fill.symbol == order.symbol and fill.order_ref not in self.waiting]
            held = shares_held(draft.positions, order.symbol) + sum(fill.signed_quantity for fill in others)
            if order.quantity > held:
                self._waiting.remove(order)
                self._is_said = True
                self._not_booked(order, f"the book holds {held}; see what the broker says of it")
        return list(self._waiting)

    def _not_booked(self, order: Order, why: str) -> None:
        self._log.error(f"{_called(order)} IS NOT BOOKED: {why}")

    def _booked_now(self, order: Order) -> None:
        self._log.error(
            f"{_called(order)} had left while the book could not be written; it is booked now account={order.account}"
        )

    def get_out(self, step: Step) -> list[str]:
        """Of a step that could not be written: its exits, and the cancels that stand in their way, go all the same.

        Not an exit of shares that only a correction of the same step has put into the book: it is not there yet. Nor a
        cancel of protection, which watches at the broker meanwhile: those cancels are given back.
        """
        for exit_ in step.draft.commit.exits:
            if exit_.order.quantity <= _executed(step, exit_.order.symbol):
                self._write_down(exit_.order)
                self._orders.append(exit_.order)
                self._broker.place(exit_.order)
        protection = {ref: order for ref, order in step.draft.orders.items() if order.is_protection}
        for ref in step.cancel:
            if ref not in protection:
                self._broker.cancel(ref)
        held_back = [ref for ref in step.cancel if ref in protection]
        self._tell_what_stays({protection[ref].symbol for ref in held_back})
        return held_back

    def _tell_what_stays(self, symbols: set[str]) -> None:
        for symbol in sorted(symbols - self._told):
            self._log.error(
                f"PROTECTION STAYS {symbol}: its stop and its target at the broker are not taken back before the book "
                "can be written, and no exit of ours is sent beside them"
            )
        self._told.update(symbols)

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
        """The book has it all; what still waits for the broker keeps its place in the file."""
        self._told.clear()
        if not (self._orders or self._shown or self._is_said):
            return
        for order in self._shown:
            self._waiting.remove(order)
            self._booked_now(order)
        self._orders, self._shown, self._is_said = [], [], False
        if self._waiting:
            return
        try:
            self._spill.clear()
        except OSError as error:  # its orders are in the book, which knows them again
            self._log.error(f"the spill file cannot be cleared: {error.strerror}")


def _executed(step: Step, symbol: str) -> int:
    """Shares held by the broker's executions and by what is committed, without the corrections of the step."""
    corrected = sum(fill.signed_quantity for fill in step.by_operator if fill.symbol == symbol)
    return shares_held(step.draft.positions, symbol) - corrected


def _without(event: Event, is_heard: Callable[[Fill], bool]) -> Event:
    """An answer without the executions that are not heard."""
    if not isinstance(event, EvidenceGiven) or event.evidence.executions is None:
        return event
    heard = tuple(fill for fill in event.evidence.executions if is_heard(fill))
    return replace(event, evidence=event.evidence._replace(executions=heard))


def _called(order: Order) -> str:
    return f"SPILLED EXIT {order.quantity} {order.symbol} ref={order.ref}"


def _one_more(earlier: list[Order], order: Order) -> list[Order]:
    """An exit of a symbol is made when the one before it has ended; how, only the run that is over has heard."""
    ended = [
        before._replace(state=OrderState.CANCELLED) if before.symbol == order.symbol else before for before in earlier
    ]
    return [*ended, order]
