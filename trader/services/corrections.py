"""Corrections: a broker replaces executions by another one, or says that they never happened (a bust).

Rule 1: of an execution and everything that replaces it one counts. What stands is undone as it was booked and the new
one is booked in its place, in one transaction.
Rule 2: what is replaced never counts again, also when it is heard afterwards.
Rule 3: what cannot be undone stands, and a person is told. Nothing of the correction is booked then.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trader.domain.decision import Purpose, Side
from trader.domain.events import JournalType
from trader.domain.family import Families
from trader.domain.ledger import Booked, Position, PositionState, shares_held
from trader.domain.money import usd
from trader.domain.order import Fill, Order, reversal_of
from trader.domain.reversal import Reversal
from trader.domain.rules import Rules
from trader.services.draft import Draft
from trader.services.ports import Booking
from trader.services.recent import REMEMBERED
from trader.services.step import Level, Step


def corrected(fills: Iterable[Fill]) -> set[str]:
    """Ids of the executions that are corrected by these, and of their reversals."""
    replaced = {id_ for fill in fills for id_ in fill.corrects}
    return replaced | {reversal_of(id_) for id_ in replaced}


def known_bookings(step: Step) -> dict[str, Booking]:
    """What is known of the executions that were looked up for this step, and of those that it has booked, by id."""
    commit = step.draft.commit
    booked = {**step.looked_up, **{booking.fill.execution_id: booking for booking in commit.bookings}}
    for charge in commit.charges:
        id_ = charge.late.execution_id
        booked[id_] = booked[id_].charged(charge.late.commission_micros)
    return booked


class Replaced(NamedTuple):
    """What the book has of the executions that one replaces."""

    is_known: bool
    """Any of them was booked once."""
    standing: tuple[Booking, ...]
    """Those that were not undone."""

    @classmethod
    def by(cls, step: Step, fill: Fill) -> "Replaced":
        """As of this moment of the step: an execution may be corrected in the step in which it was heard."""
        booked = known_bookings(step)
        known = tuple(booked[id_] for id_ in fill.corrects if id_ in booked)
        standing = tuple(booking for booking in known if reversal_of(booking.fill.execution_id) not in booked)
        return cls(bool(known), standing)

    def why_it_stays(self, draft: Draft, fill: Fill, orders: Sequence[Order | None]) -> str:
        """Why this cannot be undone, or nothing; `orders` are those of what stands."""
        if not self.is_known and draft.now - fill.executed_at > REMEMBERED:
            return f"the book has never had {' or '.join(fill.corrects)}, and it would be of long ago"
        held = shares_held(draft.positions, fill.symbol)
        bought = 0
        for booking, order in zip(self.standing, orders, strict=True):
            original = booking.fill
            if (original.symbol, original.side) != (fill.symbol, fill.side):
                return f"{original.execution_id} was a {original.side} of {original.symbol}"
            if order is None and booking.purpose != Purpose.ADJUST:
                return f"the order of {original.execution_id}, {original.order_ref}, ended long ago"
            bought += original.quantity if original.side is Side.BUY else 0
        return f"it has bought {bought} shares, and only {held} are still held" if bought > held else ""

    def tell(self, step: Step, fill: Fill) -> None:
        """Say loudly what was undone, and journal a bust of what was never booked: nothing else is left of it."""
        fills = [booking.fill for booking in self.standing]
        undone = ", ".join(f"{was.side} {was.quantity}@{usd(was.price_micros)} is undone" for was in fills)
        if not self.is_known:
            undone = "that was never booked, and will not be"
        if fill.is_bust and not self.is_known:
            step.draft.note(
                JournalType.UNEXPECTED_FILL,
                fill.symbol,
                execution_id=fill.execution_id,
                order_ref=fill.order_ref,
                reported=f"a bust of {' '.join(fill.corrects)}, which was never booked",
            )
        if fill.is_bust and self.is_known and not fills:
            return  # undone before: each start is told of it again
        step.say(
            Level.ERROR if fills else Level.WARNING,
            f"EXECUTION {'BUSTED' if fill.is_bust else 'CORRECTED'} {fill.symbol}: {fill.execution_id} replaces "
            f"{', '.join(fill.corrects)}: {undone or 'that was undone before'} account={fill.account}",
        )


class Undoing:
    """Undoes what was booked, in a draft."""

    def __init__(self, families: Families, rules: Rules) -> None:
        self._families = families
        self._rules = rules

    def undo(self, draft: Draft, reversal: Reversal, order: Order | None, why: str) -> Booked:
        """Give back its shares and its cash; its order has them to do again, and its lock has to pay for them."""
        fill, symbol = reversal.fill, reversal.original.symbol
        instrument = self._families.instrument(symbol)
        plan = self._rules.exit_rule(symbol).plan(reversal.price_micros, instrument.leverage)
        booked = reversal.book(draft.positions.get(symbol), draft.lots.get(symbol, ()), instrument, plan)
        draft.book_reversal(booked, fill, why)
        draft.commit.passed.append(booked.position)
        if order is not None:
            after = order.without(fill.quantity, draft.now)
            draft.set_order(after)
            lock = draft.locks.get(symbol)
            if lock is not None and lock.order_ref == order.ref:
                draft.set_lock(lock.without(reversal.original, after))
        return booked


def go_on_closing(draft: Draft, before: Position | None, symbol: str) -> None:
    """What was on its way out before its entry was corrected is so afterwards."""
    after = draft.positions.get(symbol)
    if after is None:
        return
    draft.commit.passed.append(after)
    if before is not None and before.closing_purpose is not None and after.state is not PositionState.CLOSING:
        purpose, reason = before.closing_purpose, before.closing_reason
        draft.set_position(after.closing(purpose, reason, draft.now))
        draft.note(JournalType.POSITION_CLOSING, symbol, purpose=purpose, reason=reason, signal_id="")
