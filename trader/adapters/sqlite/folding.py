"""From the journal, everything that follows from it: positions, lots, cash, orders, locks, halts, latches.

Rule 1: the journal is what happened; the tables are what follows.
Rule 2: the fold has no opinion of its own: a fill goes through the domain's `book_fill` and `Order.after`.
Rule 3: an event that contradicts what came before it is a finding, and the fold goes on.

A bare acknowledgement (created -> working) is not journaled: an order does not wait for a commit to be accepted. So
the fold says `created` where the book may say `working`.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from trader.adapters.sqlite.journal import Event, Facts, Finding, cut_off, read_journal
from trader.adapters.sqlite.rows import from_us
from trader.domain.breaker import Breaker, BreakerScope, Latch, latch_key
from trader.domain.cash import CashDrift
from trader.domain.decision import Purpose, Side
from trader.domain.errors import IllegalTransition
from trader.domain.events import JournalType
from trader.domain.exit_plan import ExitPlan
from trader.domain.family import Instrument
from trader.domain.ledger import Booked, Lot, Position, RoundTrip, book_fill
from trader.domain.order import Fill, LateCommission, Order, OrderEvent, OrderState, PendingLock, reversal_of
from trader.domain.portfolio import Drift, Halt
from trader.domain.reversal import Reversal
from trader.services.ports import Booking

_UNUSED_PLAN = ExitPlan(0, 0, 0, 0)
"""For a fill that leaves nothing to protect."""


class LockRow(NamedTuple):
    """A pending lock and, once it is released, when and on what evidence."""

    lock: PendingLock
    released_at: datetime | None = None
    evidence: str | None = None


class HaltRow(NamedTuple):
    """A halt and, once it is cleared, when and why."""

    halt: Halt
    cleared_at: datetime | None = None
    cleared_reason: str | None = None


class LatchRow(NamedTuple):
    """A latch and, once it is cleared, when, by whom and why."""

    latch: Latch
    cleared_at: datetime | None = None
    cleared_by: str | None = None
    cleared_reason: str | None = None


class FillRow(NamedTuple):
    """One execution as the ledger booked it, and when."""

    booking: Booking
    booked_at: datetime
    trip: int
    """Of its symbol's round trips: the place of the one that it belongs to, once that has ended."""


class CommissionRow(NamedTuple):
    """A commission that was told after its execution, and when."""

    late: LateCommission
    booked_at: datetime


@dataclass(slots=True)
class Folded:
    """What follows from an account's journal."""

    account: str
    events: int = 0
    opened: bool = False
    starting_cash_micros: int = 0
    cash_micros: int = 0
    positions: dict[str, Position] = field(default_factory=dict)
    """By symbol, flat ones too."""
    open_lots: dict[str, tuple[Lot, ...]] = field(default_factory=dict)
    """By symbol, in the order in which they were bought."""
    lots: dict[str, Lot] = field(default_factory=dict)
    """By execution, used-up ones too."""
    orders: dict[str, Order] = field(default_factory=dict)
    locks: dict[str, LockRow] = field(default_factory=dict)
    """By order reference, released ones too."""
    halts: list[HaltRow] = field(default_factory=list)
    """In the order in which they began, cleared ones too."""
    halted: dict[str, int] = field(default_factory=dict)
    """The places of those that stand, by what is halted."""
    latches: list[LatchRow] = field(default_factory=list)
    """In the order in which they tripped, cleared ones too."""
    latched: dict[str, int] = field(default_factory=dict)
    """The places of those that stand, by their keys."""
    drift: dict[str, Drift] = field(default_factory=dict)
    cash_drift: CashDrift | None = None
    movements: dict[str, datetime] = field(default_factory=dict)
    """Cash movements of statements, and when they were booked."""
    fills: dict[str, FillRow] = field(default_factory=dict)
    commissions: dict[str, CommissionRow] = field(default_factory=dict)
    """By execution: those that were told late."""
    round_trips: list[RoundTrip] = field(default_factory=list)
    trips_of: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By symbol: the places of its round trips."""
    findings: list[Finding] = field(default_factory=list)
    """What is wrong with the journal itself."""

    def booking(self, execution_id: str) -> Booking:
        """An execution as it is booked, with everything that it has cost. Raises ValueError."""
        row, charged = self.fills.get(execution_id), self.commissions.get(execution_id)
        if row is None:
            raise ValueError(f"execution {execution_id} was never booked")
        return row.booking.charged(charged.late.commission_micros) if charged is not None else row.booking

    def order(self, ref: str) -> Order:
        """An order that was created. Raises ValueError."""
        if ref not in self.orders:
            raise ValueError(f"order {ref} was never created")
        return self.orders[ref]


def fold(connection: sqlite3.Connection, account: str) -> Folded:
    """Read an account's journal from its first event, and say what follows from it."""
    folded = Folded(account)
    for event in read_journal(connection, account, folded.findings):
        folded.events += 1
        apply = _VERBS.get(event.type)
        if apply is None:
            continue
        try:
            apply(folded, event)
        except (ValueError, IllegalTransition) as error:
            _contradiction(folded, event, str(error))
    if not folded.opened:
        folded.findings.append(Finding("the journal", "its first event", JournalType.ACCOUNT_OPENED, "missing"))
    folded.findings += cut_off(connection, account)
    return folded


def _contradiction(folded: Folded, event: Event, why: str) -> None:
    where = f"journal, {event.type}"
    folded.findings.append(Finding(f"event {event.seq}", where, "follows from the events before it", why))


def _account_opened(folded: Folded, event: Event) -> None:
    if folded.opened:
        raise ValueError("the account was opened before")
    folded.opened = True
    folded.starting_cash_micros = event.facts.number("starting_cash_micros")
    folded.cash_micros += folded.starting_cash_micros


def _order_created(folded: Folded, event: Event) -> None:
    facts = event.facts
    order = Order(
        ref=facts.text("order_ref"),
        account=folded.account,
        symbol=event.symbol,
        side=Side(facts.text("side")),
        quantity=facts.number("quantity"),
        limit_micros=facts.number_or_none("limit_micros"),
        purpose=Purpose(facts.text("purpose")),
        reason=facts.text("reason"),
        signal_id=facts.text("signal_id"),
        state=OrderState.CREATED,
        filled=0,
        created_at=event.at,
        updated_at=event.at,
        stop_micros=facts.number_or_none("stop_micros") if "stop_micros" in facts else None,
        oca=facts.text("oca") if "oca" in facts else "",
    )
    if order.ref in folded.orders:
        raise ValueError(f"order {order.ref} was created before")
    folded.orders[order.ref] = order
    if order.purpose is Purpose.ENTRY:
        folded.locks[order.ref] = LockRow(_lock(order, facts))


def _lock(order: Order, facts: Facts) -> PendingLock:
    return PendingLock(
        order.ref,
        order.account,
        order.symbol,
        facts.text("family"),
        facts.number("direction"),
        facts.number("reserved_micros"),
        facts.flag("takes_slot"),
        order.created_at,
    )


def _order_state(folded: Folded, event: Event) -> None:
    order = folded.order(event.facts.text("order_ref"))
    state = OrderState(event.facts.text("state"))
    filled = event.facts.number("filled") if "filled" in event.facts else order.filled
    folded.orders[order.ref] = order._replace(state=state, filled=filled, updated_at=event.at)


def _lock_released(folded: Folded, event: Event) -> None:
    order = folded.order(event.facts.text("order_ref"))
    _release(folded, order.ref, event, event.facts.text("evidence"))
    position = folded.positions.get(order.symbol)
    if position is not None and position.quantity:
        folded.positions[order.symbol] = position.entry_ended(event.at)


def _release(folded: Folded, order_ref: str, event: Event, evidence: str) -> None:
    row = folded.locks.get(order_ref)
    if row is None or row.released_at is not None:
        raise ValueError(f"order {order_ref} has no lock to release")
    folded.locks[order_ref] = LockRow(row.lock._replace(reserved_micros=0), event.at, evidence)


def _fill(folded: Folded, event: Event) -> None:
    facts = event.facts
    fill = _execution(folded.account, event)
    if fill.execution_id in folded.fills:
        raise ValueError(f"execution {fill.execution_id} was booked before")
    purpose, reason = facts.text("purpose"), facts.text("reason")
    booked = _booked(folded, event, fill, purpose)
    booking = Booking(fill, booked.realized_micros, purpose, reason, booked.position.quantity, booked.created)
    folded.fills[fill.execution_id] = FillRow(booking, event.at, len(folded.trips_of[fill.symbol]))
    folded.positions[fill.symbol] = booked.position
    folded.open_lots[fill.symbol] = booked.lots
    folded.lots.update((lot.execution_id, lot) for lot in booked.changed_lots)
    folded.cash_micros += fill.cash_effect_micros
    if fill.symbol in folded.drift:
        folded.drift[fill.symbol] = folded.drift[fill.symbol].after(fill, booked.position.quantity)
    if booked.round_trip is not None:
        folded.trips_of[fill.symbol].append(len(folded.round_trips))
        folded.round_trips.append(booked.round_trip)
    if purpose == Purpose.REVERSAL:
        _set_back(folded, event, folded.booking(fill.corrects[0]))
    elif purpose != Purpose.ADJUST:  # an operator's correction leaves the order of what it corrects alone
        _advance(folded, event, fill)
    _check_results(folded, event, booked)


def _booked(folded: Folded, event: Event, fill: Fill, purpose: str) -> Booked:
    """What the domain makes of it."""
    facts = event.facts
    position, lots = folded.positions.get(fill.symbol), folded.open_lots.get(fill.symbol, ())
    instrument = Instrument(fill.symbol, facts.text("family"), facts.number("direction"))
    if purpose == Purpose.REVERSAL:
        original = folded.booking(facts.text("corrects"))
        reversal = Reversal(original.fill, original.realized_micros)
        return reversal.book(position, lots, instrument, _plan(reversal.price_micros, facts))
    order = folded.orders.get(fill.order_ref) if purpose != Purpose.ADJUST else None
    works_on = order is not None and order.works_on_after(fill.quantity)
    ends_as = order.ends_as if order is not None else purpose
    plan = _plan(fill.price_micros, facts)
    return book_fill(position, lots, fill, instrument, plan, ends_as, entry_works_on=works_on)


def _execution(account: str, event: Event) -> Fill:
    facts = event.facts
    return Fill(
        facts.text("execution_id"),
        facts.text("order_ref"),
        account,
        event.symbol,
        Side(facts.text("side")),
        facts.number("quantity"),
        facts.number("price_micros"),
        facts.number("commission_micros"),
        from_us(facts.number("executed_us")),
        tuple(facts.text("corrects").split()) if "corrects" in facts else (),
    )


def _plan(entry_micros: int, facts: Facts) -> ExitPlan:
    stop, target = facts.number_or_none("stop_micros"), facts.number_or_none("take_profit_micros")
    return ExitPlan.around(entry_micros, stop, target) if stop is not None and target is not None else _UNUSED_PLAN


def _advance(folded: Folded, event: Event, fill: Fill) -> None:
    """Move the order on; its lock ends with it, or reserves what the rest may still cost."""
    order = folded.order(fill.order_ref)
    last = order.remaining <= fill.quantity
    after = order.after(OrderEvent.FILLED if last else OrderEvent.PARTLY_FILLED, event.at, fill.quantity)
    folded.orders[order.ref] = after
    row = folded.locks.get(order.ref)
    if event.facts.flag("lock_released"):
        _release(folded, order.ref, event, "filled")
    elif row is not None and row.released_at is None:
        folded.locks[order.ref] = LockRow(row.lock.after(fill, after))


def _set_back(folded: Folded, event: Event, undone: Booking) -> None:
    """The order has the shares of what was undone to do again; its lock reserves what they may cost."""
    if undone.purpose == Purpose.ADJUST:
        return
    order = folded.order(undone.fill.order_ref)
    after = order.without(undone.fill.quantity, event.at)
    folded.orders[order.ref] = after
    row = folded.locks.get(order.ref)
    if row is not None and row.released_at is None:
        folded.locks[order.ref] = LockRow(row.lock.without(undone.fill, after))


def _check_results(folded: Folded, event: Event, booked: Booked) -> None:
    """The event says what came of the fill; the fold has come to its own result."""
    for name, result in (
        ("realized_micros", booked.realized_micros),
        ("held", booked.position.quantity),
        ("position_created", int(booked.created)),
    ):
        said = int(event.facts.flag(name)) if name == "position_created" else event.facts.number(name)
        if said != result:
            _contradiction(folded, event, f"{name} is {said}, and {result} follows from its fill")


def _commission(folded: Folded, event: Event) -> None:
    """Told after its execution: cash pays it, and the position that the execution belongs to, held or past."""
    late = LateCommission(
        event.facts.text("execution_id"),
        event.facts.text("order_ref"),
        event.symbol,
        event.facts.number("commission_micros"),
    )
    id_, amount_micros = late.execution_id, late.commission_micros
    if folded.booking(id_).fill.commission_micros or reversal_of(id_) in folded.fills:
        raise ValueError(f"execution {id_} has its commission, or was undone")
    folded.commissions[id_] = CommissionRow(late, event.at)
    folded.cash_micros -= amount_micros
    trips, place = folded.trips_of[late.symbol], folded.fills[id_].trip
    if place < len(trips):
        folded.round_trips[trips[place]] = folded.round_trips[trips[place]].charged(amount_micros)
    position = folded.positions[late.symbol]
    if place == len(trips) or (place == len(trips) - 1 and not position.quantity):
        folded.positions[late.symbol] = position.charged(amount_micros)
    row = folded.locks.get(late.order_ref)
    if row is not None and row.released_at is None:
        order = folded.order(late.order_ref)
        folded.locks[late.order_ref] = LockRow(row.lock.charged(amount_micros, order))


def _position_closing(folded: Folded, event: Event) -> None:
    position = folded.positions.get(event.symbol)
    if position is None or not position.quantity:
        raise ValueError(f"{event.symbol} is not held")
    closing = position.closing(Purpose(event.facts.text("purpose")), event.facts.text("reason"), event.at)
    folded.positions[event.symbol] = closing


def _stop_tightened(folded: Folded, event: Event) -> None:
    position = folded.positions.get(event.symbol)
    if position is None or not position.quantity:
        raise ValueError(f"{event.symbol} is not held")
    folded.positions[event.symbol] = position.tightened(event.facts.number("stop_micros"), event.at)


def _drift_found(folded: Folded, event: Event) -> None:
    facts = event.facts
    folded.drift[event.symbol] = Drift(event.symbol, facts.number("book"), facts.number("broker"), event.at)


def _drift_ended(folded: Folded, event: Event) -> None:
    if folded.drift.pop(event.symbol, None) is None:
        raise ValueError(f"book and broker agreed on {event.symbol}")


def _cash_moved(folded: Folded, event: Event) -> None:
    """One without a kind came with shares that were taken in: they have cost nothing."""
    facts, amount_micros = event.facts, event.facts.number("amount_micros")
    folded.cash_micros += amount_micros
    if "kind" in facts and folded.cash_drift is not None:
        folded.cash_drift = folded.cash_drift.after(amount_micros)
    if "movement" in facts:
        if facts.text("movement") in folded.movements:
            raise ValueError(f"{facts.text('movement')} was booked before")
        folded.movements[facts.text("movement")] = event.at


def _cash_differs(folded: Folded, event: Event) -> None:
    facts = event.facts
    folded.cash_drift = CashDrift(facts.number("book_micros"), facts.number("broker_micros"), event.at)


def _cash_agrees(folded: Folded, _: Event) -> None:
    if folded.cash_drift is None:
        raise ValueError("book and broker agreed on cash")
    folded.cash_drift = None


def _halted(folded: Folded, event: Event) -> None:
    facts = event.facts
    flattens = facts.flag("flattens") if "flattens" in facts else False
    halt = Halt(facts.text("scope"), facts.text("target"), facts.text("reason"), event.at, flattens)
    place = folded.halted.get(halt.key)
    if place is None:
        folded.halted[halt.key] = len(folded.halts)
        folded.halts.append(HaltRow(halt))
    else:
        folded.halts[place] = HaltRow(folded.halts[place].halt._replace(flattens=flattens))


def _resumed(folded: Folded, event: Event) -> None:
    place = folded.halted.pop(event.facts.text("key"), None)
    if place is None:
        raise ValueError(f"{event.facts.text('key')} was not halted")
    folded.halts[place] = HaltRow(folded.halts[place].halt, event.at, event.facts.text("reason"))


def _breaker_tripped(folded: Folded, event: Event) -> None:
    facts = event.facts
    latch = Latch(
        breaker=Breaker(facts.text("breaker")),
        scope=BreakerScope(facts.text("scope")),
        target=facts.text("target"),
        cause=facts.text("cause"),
        measured=facts.fraction("measured"),
        limit=facts.fraction("limit_value"),
        inputs=facts.values("inputs"),
        formula=facts.text("formula"),
        flattens=facts.flag("flattens"),
        tripped_at=event.at,
    )
    if latch.key in folded.latched:
        raise ValueError(f"{latch.key} had tripped already")
    folded.latched[latch.key] = len(folded.latches)
    folded.latches.append(LatchRow(latch))


def _breaker_cleared(folded: Folded, event: Event) -> None:
    facts = event.facts
    key = latch_key(Breaker(facts.text("breaker")), facts.text("target"))
    place = folded.latched.pop(key, None)
    if place is None:
        raise ValueError(f"{key} had not tripped")
    latch = folded.latches[place].latch
    folded.latches[place] = LatchRow(latch, event.at, facts.text("cleared_by"), facts.text("reason"))


_VERBS: dict[JournalType, Callable[[Folded, Event], None]] = {
    JournalType.ACCOUNT_OPENED: _account_opened,
    JournalType.ORDER_CREATED: _order_created,
    JournalType.ORDER_STATE: _order_state,
    JournalType.LOCK_RELEASED: _lock_released,
    JournalType.FILL: _fill,
    JournalType.COMMISSION: _commission,
    JournalType.POSITION_CLOSING: _position_closing,
    JournalType.STOP_TIGHTENED: _stop_tightened,
    JournalType.DRIFT_FOUND: _drift_found,
    JournalType.DRIFT_ENDED: _drift_ended,
    JournalType.CASH_MOVED: _cash_moved,
    JournalType.CASH_DIFFERS: _cash_differs,
    JournalType.CASH_AGREES: _cash_agrees,
    JournalType.HALTED: _halted,
    JournalType.RESUMED: _resumed,
    JournalType.BREAKER_TRIPPED: _breaker_tripped,
    JournalType.BREAKER_CLEARED: _breaker_cleared,
}
"""Every other event changes nothing of the book."""
