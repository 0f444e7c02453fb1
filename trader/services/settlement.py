"""Settlement: everything that follows from one execution, in the draft of one transaction.

Rule 1: an execution counts once, however often it is reported; its commission may come with a later report (see
`commissions`).
Rule 2: what happened is booked, also when it should not have happened: a fill of an ended order, of more than was
ordered, of an order nobody knows. It moves the position, raises an alarm and stops entries.
Rule 3: what cannot be booked is journaled, alarmed, and stops entries: what was sold beyond what was held (no short is
made; see `beyond`), what is reported for another account, what is not one of its order, and a correction of what cannot
be undone (see `corrections`). What cannot be an execution at all waits to be told whole (see `unreadable`).
"""

from datetime import datetime

from trader.domain.alarm import AlarmType
from trader.domain.decision import Purpose, Side
from trader.domain.events import JournalEntry, JournalType, JsonValue
from trader.domain.exit_plan import ExitPlan
from trader.domain.family import Families
from trader.domain.ledger import Booked, book_fill, shares_held
from trader.domain.market import plain_symbol
from trader.domain.money import usd
from trader.domain.order import Fill, Order, OrderEvent, OrderState, reversal_of
from trader.domain.portfolio import Halt
from trader.domain.reversal import Reversal
from trader.domain.rules import Rules
from trader.domain.session import microseconds
from trader.services.beyond import Beyond
from trader.services.commissions import differs, hear_again
from trader.services.corrections import Replaced, Undoing, go_on_closing
from trader.services.draft import Draft
from trader.services.ports import Booking, History
from trader.services.protecting import expect_end
from trader.services.recent import Recent
from trader.services.step import Level, Step
from trader.services.unreadable import Unreadable, keep_as_text


def by_hand(order_ref: str) -> str:
    """The execution id of an order that an operator has resolved as filled."""
    return f"resolved-{order_ref}"


class Settlement:
    """Books fills. Knows which executions it has seen and the orders that ended lately."""

    def __init__(self, families: Families, rules: Rules, history: History) -> None:
        self._families = families
        self._rules = rules
        self._undoing = Undoing(families, rules)
        self._seen = Recent(history.executions)
        """Executions with the commission they are booked with; None where nothing can be charged."""
        self._ended = Recent(history.ended_orders)
        self._beyond = Beyond(history.beyond)
        self._unreadable = Unreadable()

    def hear(self, step: Step, fill: Fill) -> None:
        """Book one reported execution, unless it runs ahead: then the order is asked about, and the answer has both."""
        order = step.draft.orders.get(fill.order_ref)
        if not self.runs_ahead(step, fill):
            self.settle(step, fill)
        elif order is not None and order.state is not OrderState.UNKNOWN:
            why = f"it has sold {fill.quantity}, more than are held: what was bought has not been heard"
            after = order.after(OrderEvent.LOST, step.draft.now)
            step.draft.set_order(after)
            step.draft.note(JournalType.ORDER_STATE, fill.symbol, order_ref=order.ref, state=after.state, reason=why)
            step.say(Level.WARNING, f"EXECUTION AHEAD {fill.symbol} ref={order.ref}: {why} account={order.account}")

    def runs_ahead(self, step: Step, fill: Fill) -> bool:
        """Whether it sells, at the broker's own hand, shares of which the purchase may still be on its way here."""
        order = self.order(step.draft, fill.order_ref)
        if order is None or not order.is_protection or fill.corrects or self.knows(step, fill.execution_id):
            return False
        if fill.account != step.draft.account:
            return False
        return fill.quantity > shares_held(step.draft.positions, fill.symbol)

    def settle(self, step: Step, fill: Fill) -> None:
        """Book one reported execution into the step's draft."""
        if fill.account != step.draft.account:
            self._leave_to_another(step, fill)
            return
        if self.knows(step, fill.execution_id):
            hear_again(step, fill, self._owed(step, fill))
            return
        if fill.fault:
            self._unreadable.hear(step, fill)
            return
        self._unreadable.told_whole(step, fill)
        step.executions[fill.execution_id] = None
        if fill.corrects:
            self._correct(step, fill)
        else:
            self._take_in(step, fill)

    def _leave_to_another(self, step: Step, fill: Fill) -> None:
        """Said once. The same execution, told of this account, is still news: it is remembered apart."""
        told = f"{fill.execution_id} of {fill.account}"
        if self.knows(step, told):
            return
        step.executions[told] = None
        what = f"execution {ascii(fill.execution_id)[:60]} is reported with the account {ascii(fill.account)[:40]}"
        if self.knows(step, fill.execution_id):
            step.say(Level.WARNING, f"NOT OURS {what}; it is booked here, and stays account={step.draft.account}")
        else:
            _cannot_book(step, fill, what)

    def _contradiction(self, draft: Draft, fill: Fill) -> str:
        """What an execution says that its order does not: booked, it would have others sold that are not there."""
        order = self.order(draft, fill.order_ref)
        if order is None or (order.side, order.symbol) == (fill.side, fill.symbol):
            return ""
        return f"a {fill.side} of {fill.symbol}, while its order {order.ref} is a {order.side} of {order.symbol}"

    def _correct(self, step: Step, fill: Fill) -> None:
        """Book an execution in the place of those that it replaces; a bust leaves their place empty."""
        if step.unread is not None:
            return
        draft, replaced = step.draft, Replaced.by(step, fill)
        orders = [self._order_of(draft, booking) for booking in replaced.standing]
        why_not = replaced.why_it_stays(draft, fill, orders)
        if why_not:
            _cannot_book(step, fill, f"{fill.execution_id} {fill.correction} and cannot: {why_not}")
            return
        step.executions.update(dict.fromkeys(fill.corrects))
        before = draft.positions.get(fill.symbol)
        for booking in replaced.standing:
            self._undo(step, booking, fill)
        if fill.quantity:
            book = self._book_what_is_held if replaced.standing else self._take_in
            book(step, fill)
            go_on_closing(draft, before, fill.symbol)
        else:
            self._take_back(step, fill)
        replaced.tell(step, fill)

    def _undo(self, step: Step, booking: Booking, by: Fill) -> None:
        """Take back what was booked, because of the execution that replaces it."""
        reversal = Reversal(booking.fill, booking.realized_micros)
        why = f"{'busted' if by.is_bust else 'corrected'} by {by.execution_id}"
        booked = self._undoing.undo(step.draft, reversal, self._order_of(step.draft, booking), why)
        step.executions[reversal.fill.execution_id] = None
        _journal(step, reversal.fill, booked, Purpose.REVERSAL, why, released=False)

    def _take_in(self, step: Step, fill: Fill) -> None:
        """Book an execution that nothing was known of, unless an operator knew of it."""
        resolved = by_hand(fill.order_ref)
        if fill.execution_id != resolved and self.knows(step, resolved):
            _cannot_book(
                step, fill, f"order {fill.order_ref} was resolved by hand as filled; correct it with `trader adjust`"
            )
            return
        contradiction = self._contradiction(step.draft, fill)
        if contradiction:
            _cannot_book(step, fill, f"execution {fill.execution_id} is told as {contradiction}")
            return
        self._book_what_is_held(step, fill)

    def _book_what_is_held(self, step: Step, fill: Fill) -> None:
        """Book an execution; of a sale no more than is held."""
        is_again = self._take_back(step, fill)
        order = self.order(step.draft, fill.order_ref)
        held = shares_held(step.draft.positions, fill.symbol)
        if fill.side is Side.SELL and fill.quantity > held:
            self._settle_oversold(step, fill, order, held, is_again=is_again)
        else:
            self._settle(step, fill, order, is_again=is_again)

    def _take_back(self, step: Step, fill: Fill) -> bool:
        """What it has moved its order by before, and was not booked; whether its order may have ended by it."""
        moved = self._beyond.moved_by(step, fill)
        for execution_id, excess in moved.items():
            order = self.order(step.draft, excess.order_ref)
            if order is not None:
                self._beyond.take_back(step, order, execution_id, excess.shares)
        return bool(moved or fill.corrects)

    def _settle_oversold(self, step: Step, fill: Fill, order: Order | None, held: int, *, is_again: bool) -> None:
        """Book what was held; the shares beyond it are a short at the broker that no book of ours can hold.

        They move their order on, which has sold them.
        """
        if held:
            self._settle(step, fill._replace(quantity=held), order, is_again=is_again)
        excess = fill.quantity - held
        why = f"{fill.symbol}: execution {fill.execution_id} sells {fill.quantity} of {held} held"
        _cannot_book(step, fill._replace(quantity=excess), why)
        order = self.order(step.draft, fill.order_ref)
        if order is not None and (order.live or is_again):
            self._beyond.move_on(step, order, fill.execution_id, excess)

    def _settle(self, step: Step, fill: Fill, order: Order | None, *, is_again: bool) -> None:
        purpose, reason = (order.books_as, order.reason) if order else ("adjust", "external")
        if fill.corrects:
            reason = fill.correction
        booked = self._book(step, fill, purpose, reason, order)
        released = order is not None and self._advance(step, order, fill, is_again=is_again)
        if order is None:
            _alarm(step, fill, f"execution {fill.execution_id} belongs to no order of ours ({fill.order_ref})")
        _journal(step, fill, booked, purpose, reason, released=released)

    def adjust(self, step: Step, fill: Fill, reason: str) -> None:
        """Book an operator's correction, an execution that reverses another. Raises Oversold."""
        booked = self._book(step, fill, "adjust", reason, None)
        step.by_operator.append(fill)
        _journal(step, fill, booked, "adjust", reason, released=False)

    def knows(self, step: Step, execution_id: str) -> bool:
        """Whether an execution is booked, or being booked in this step."""
        return self.has_booked(execution_id) or execution_id in step.executions

    def has_booked(self, execution_id: str) -> bool:
        """Whether an execution is booked, as far as this run remembers."""
        return execution_id in self._seen

    def is_told_more(self, fill: Fill) -> bool:
        """Whether this report of a booked execution has a commission that the book has not."""
        is_more = differs(self._seen.get(fill.execution_id), fill.commission_micros)
        return is_more and reversal_of(fill.execution_id) not in self._seen

    def is_news(self, fill: Fill) -> bool:
        """Whether a report tells of an execution, or of a commission, that the book has not."""
        if self.has_booked(fill.execution_id):
            return self.is_told_more(fill)
        return not fill.fault or self._unreadable.is_news(fill)

    def remember(self, execution_id: str, commission_micros: int | None, at: datetime) -> None:
        """It is booked."""
        self._seen.add(execution_id, commission_micros, at)

    def happened(self, step: Step) -> None:
        """The step is over, whether or not anything of it had to be written: remember what it has heard."""
        for execution_id, commission_micros in step.executions.items():
            self.remember(execution_id, commission_micros, step.draft.now)
        self._beyond.happened(step)
        self._unreadable.happened()

    def not_happened(self) -> None:
        """The step is thrown away: what could not be read in it is heard again."""
        self._unreadable.not_happened()

    def settled(self, step: Step) -> None:
        """After the commit: remember the orders that have ended, and say what was booked."""
        for ref, order in step.draft.commit.orders.items():
            if not order.live:
                self._ended.add(ref, order, step.draft.now)
        for booking in step.draft.commit.bookings:
            _say(step, booking)

    def _owed(self, step: Step, fill: Fill) -> int | None:
        """The commission that an execution is booked with; None where nothing can be charged, as it was undone."""
        if self.knows(step, reversal_of(fill.execution_id)):
            return None
        id_ = fill.execution_id
        return step.executions[id_] if id_ in step.executions else self._seen.get(id_)

    def order(self, draft: Draft, ref: str) -> Order | None:
        """An order of ours: live, ended by an earlier event of this step, or ended before."""
        return draft.orders.get(ref) or draft.commit.orders.get(ref) or self._ended.get(ref)

    def _order_of(self, draft: Draft, booking: Booking) -> Order | None:
        """The order that an execution has filled; an operator's correction has filled none."""
        return self.order(draft, booking.fill.order_ref) if booking.purpose != Purpose.ADJUST else None

    def _book(self, step: Step, fill: Fill, purpose: str, reason: str, order: Order | None) -> Booked:
        draft = step.draft
        instrument = self._families.instrument(fill.symbol)
        plan = _plan_of_its_pair(draft, fill) or self._rules.exit_rule(fill.symbol).plan(
            fill.price_micros, instrument.leverage
        )
        position, lots = draft.positions.get(fill.symbol), draft.lots.get(fill.symbol, ())
        works_on = order is not None and order.works_on_after(fill.quantity)
        ends_as = order.ends_as if order is not None else purpose
        booked = book_fill(position, lots, fill, instrument, plan, ends_as, entry_works_on=works_on)
        draft.book_fill(booked, fill, purpose, reason)
        step.executions[fill.execution_id] = fill.commission_micros
        return booked

    def _advance(self, step: Step, order: Order, fill: Fill, *, is_again: bool) -> bool:
        """Move the order on, and give back what its lock no longer needs. True when that was all of it."""
        draft = step.draft
        left = order.remaining - fill.quantity
        if left < 0 or not (order.live or is_again):
            _alarm(step, fill, f"order {order.ref} is {order.state} with {order.filled} of {order.quantity} filled")
        after = order.after(OrderEvent.PARTLY_FILLED if left > 0 else OrderEvent.FILLED, draft.now, fill.quantity)
        draft.set_order(after)
        if order.is_protection and not after.live:
            expect_end(draft, order.symbol, order.oca, "the other order of its pair is filled")
        lock = draft.locks.get(fill.symbol)
        if lock is None or lock.order_ref != order.ref:
            return False
        if not after.live:
            draft.release(lock, "filled")
            return True
        draft.set_lock(lock.after(fill, after))
        return False


def _plan_of_its_pair(draft: Draft, fill: Fill) -> ExitPlan | None:
    """The levels that already stand at the broker, where an entry was sent with them and has been filled between."""
    pair = [order for order in draft.protection(fill.symbol) if order.oca == fill.order_ref]
    if not pair:
        return None
    stop = next((order.stop_micros for order in pair if order.stop_micros is not None), None)
    target = next((order.limit_micros for order in pair if order.limit_micros is not None), None)
    if stop is None or target is None or not stop < fill.price_micros < target:
        return None
    return ExitPlan.around(fill.price_micros, stop, target)


def _cannot_book(step: Step, fill: Fill, why: str) -> None:
    """Nothing of it moves the ledger."""
    keep_as_text(step, fill)
    _alarm(step, fill, why)


def _alarm(step: Step, fill: Fill, why: str) -> None:
    """Say it, journal it, and stop entries until a person has looked."""
    symbol = plain_symbol(fill.symbol)
    step.draft.alarm(AlarmType.UNEXPECTED_EXECUTION, symbol, why)
    step.draft.halt(Halt("all", "", f"unexpected execution: {why}", step.draft.now))
    step.say(Level.ERROR, f"UNEXPECTED EXECUTION {symbol}: {why}; entries stopped account={step.draft.account}")


def _journal(step: Step, fill: Fill, booked: Booked, purpose: str, reason: str, *, released: bool) -> None:
    """One event for everything the execution did: the position, its exits, the end of its lock."""
    position = booked.position
    plan = position.exit_plan
    data: dict[str, JsonValue] = {
        "execution_id": fill.execution_id,
        "order_ref": fill.order_ref,
        "side": fill.side,
        "quantity": fill.quantity,
        "price_micros": fill.price_micros,
        "commission_micros": fill.commission_micros,
        "purpose": purpose,
        "reason": reason,
        "realized_micros": booked.realized_micros,
        "executed_us": microseconds(fill.executed_at),
        "family": position.family,
        "direction": position.direction,
        "held": position.quantity,
        "stop_micros": plan.stop_micros if plan else None,
        "take_profit_micros": plan.take_profit_micros if plan else None,
        "position_created": booked.created,
        "lock_released": released,
    }
    if fill.corrects:
        data["corrects"] = " ".join(fill.corrects)
    step.draft.commit.journal.append(JournalEntry(JournalType.FILL, step.draft.now, fill.symbol, data))


def _say(step: Step, booking: Booking) -> None:
    fill = booking.fill
    if booking.created:
        step.say(Level.INFO, f"Created position {fill.symbol} account={fill.account}")
    realized = f" realised={usd(booking.realized_micros)}" if fill.side is Side.SELL else ""
    what = "REVERSAL" if booking.purpose == Purpose.REVERSAL else "FILL"
    step.say(
        Level.INFO,
        f"{what} {fill.side} {fill.symbol} {fill.quantity}@{usd(fill.price_micros)} reason={booking.reason}{realized} "
        f"held={booking.held} ref={fill.order_ref} account={fill.account}",
    )
