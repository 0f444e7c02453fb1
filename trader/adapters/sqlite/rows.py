"""Domain value <-> row. Enums are written as their text, times as microseconds since 1970 UTC.

An enum that is a text is made a plain one here: sqlite3 looks for an adapter of every other type, at each write.
"""

from datetime import UTC, date, datetime, timedelta

import orjson

from trader.domain.breaker import Breaker, BreakerScope, InputValue, Latch
from trader.domain.cash import CashDrift
from trader.domain.decision import Purpose, Side
from trader.domain.events import JournalEntry
from trader.domain.exit_plan import ExitPlan
from trader.domain.ledger import Lot, Position, PositionState, RoundTrip
from trader.domain.order import LIVE, Fill, LateCommission, Order, OrderState, PendingLock
from trader.domain.portfolio import Day, Drift, Halt
from trader.domain.session import microseconds
from trader.services.ports import Booking, SignalRow

Row = tuple[object, ...]

LIVE_STATES = f"({', '.join(repr(state.value) for state in sorted(LIVE))})"
"""For `state IN`: orders that work or are of unknown fate."""

_NO_PLAN = (None, None, None, None)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

to_us = microseconds
"""How a time is stored."""


def from_us(at_us: int) -> datetime:
    """The aware UTC datetime of a stored time."""
    return _EPOCH + timedelta(microseconds=at_us)


def fill_row(booking: Booking, booked_us: int) -> Row:
    """For `insert_fill`."""
    fill = booking.fill
    return (
        fill.account,
        fill.execution_id,
        fill.order_ref,
        fill.symbol,
        str(fill.side),
        fill.quantity,
        fill.price_micros,
        fill.commission_micros,
        booking.realized_micros,
        booking.purpose,
        booking.reason,
        to_us(fill.executed_at),
        booked_us,
    )


def read_booking(row: Row) -> Booking:
    """From `booked`."""
    account, execution_id, order_ref, symbol, side, quantity, price, commission, realized, purpose, reason, at = row
    fill = Fill(
        str(execution_id),
        str(order_ref),
        str(account),
        str(symbol),
        Side(str(side)),
        _int(quantity),
        _int(price),
        _int(commission),
        from_us(_int(at)),
    )
    return Booking(fill, _int(realized), str(purpose), str(reason))


def commission_row(account: str, late: LateCommission, booked_us: int) -> Row:
    """For `insert_commission`."""
    return (account, late.execution_id, late.commission_micros, booked_us)


def lot_row(account: str, lot: Lot) -> Row:
    """For `put_lot`."""
    return (account, lot.execution_id, lot.symbol, to_us(lot.opened_at), lot.remaining, lot.cost_micros)


def position_row(position: Position) -> Row:
    """For `put_position`."""
    plan = position.exit_plan
    return (
        position.account,
        position.symbol,
        position.family,
        position.direction,
        position.quantity,
        position.cost_micros,
        *(plan or _NO_PLAN),
        str(position.state),
        str(position.closing_purpose) if position.closing_purpose else None,
        position.closing_reason,
        to_us(position.opened_at),
        to_us(position.updated_at),
        position.bought,
        position.bought_micros,
        position.sold_micros,
        position.realized_micros,
    )


def round_trip_row(trip: RoundTrip) -> Row:
    """For `insert_round_trip`."""
    return (
        trip.account,
        trip.symbol,
        to_us(trip.opened_at),
        to_us(trip.closed_at),
        trip.quantity,
        trip.bought_micros,
        trip.sold_micros,
        trip.pnl_micros,
        trip.exit_reason,
        trip.closed_by,
    )


def order_row(order: Order) -> Row:
    """For `insert_order`."""
    return (
        order.ref,
        order.account,
        order.symbol,
        str(order.side),
        order.quantity,
        order.filled,
        order.limit_micros,
        str(order.state),
        str(order.purpose),
        order.reason,
        order.signal_id,
        to_us(order.created_at),
        to_us(order.updated_at),
        order.stop_micros,
        order.oca,
        order.perm_id,
    )


def lock_row(lock: PendingLock) -> Row:
    """For `insert_lock`."""
    return (
        lock.order_ref,
        lock.account,
        lock.symbol,
        lock.family,
        lock.direction,
        lock.reserved_micros,
        int(lock.takes_slot),
        to_us(lock.acquired_at),
    )


def signal_row(account: str, row: SignalRow) -> Row:
    """For `put_signal`."""
    signal, refusal = row.signal, row.refusal
    detail = refusal.detail if refusal else ""
    if refusal is not None and refusal.symbol != signal.symbol:
        detail = f"{refusal.symbol}: {detail}" if detail else refusal.symbol
    return (
        account,
        signal.id,
        signal.symbol,
        signal.probability,
        to_us(signal.timestamp),
        to_us(row.received_at),
        signal.source,
        str(row.outcome),
        str(refusal.stage) if refusal else None,
        str(refusal.rule) if refusal else None,
        refusal.measured if refusal else None,
        refusal.limit if refusal else None,
        detail,
        row.order_ref,
        row.count,
    )


def day_row(account: str, day: Day) -> Row:
    """For `insert_day`."""
    return (account, day.day.isoformat(), to_us(day.started_at), day.opening_equity_micros)


def event_text(entry: JournalEntry) -> str:
    """The canonical JSON of an event's data: the same data give the same text, and so the same hash."""
    return orjson.dumps(entry.data, option=orjson.OPT_SORT_KEYS).decode()


def read_position(row: Row) -> Position:
    """From `held_positions`."""
    account, symbol, family, direction, quantity, cost, *plan, state, purpose, reason = row[:13]
    opened_us, updated_us, bought, bought_micros, sold_micros, realized = (_int(value) for value in row[13:])
    return Position(
        account=str(account),
        symbol=str(symbol),
        family=str(family),
        direction=_int(direction),
        quantity=_int(quantity),
        cost_micros=_int(cost),
        exit_plan=ExitPlan(*(_int(level) for level in plan)) if None not in plan else None,
        state=PositionState(str(state)),
        closing_purpose=Purpose(str(purpose)) if purpose is not None else None,
        closing_reason=str(reason),
        opened_at=from_us(opened_us),
        updated_at=from_us(updated_us),
        bought=bought,
        bought_micros=bought_micros,
        sold_micros=sold_micros,
        realized_micros=realized,
    )


def read_lot(row: Row) -> Lot:
    """From `open_lots`."""
    execution_id, symbol, opened_us, remaining, cost = row
    return Lot(str(execution_id), str(symbol), from_us(_int(opened_us)), _int(remaining), _int(cost))


def read_order(row: Row) -> Order:
    """From `live_orders` and `ended_orders`."""
    ref, account, symbol, side, quantity, limit, purpose, reason, signal_id, state, filled = row[:11]
    created, updated, stop, oca, perm_id = row[11:]
    return Order(
        ref=str(ref),
        account=str(account),
        symbol=str(symbol),
        side=Side(str(side)),
        quantity=_int(quantity),
        limit_micros=_int(limit) if limit is not None else None,
        purpose=Purpose(str(purpose)),
        reason=str(reason),
        signal_id=str(signal_id),
        state=OrderState(str(state)),
        filled=_int(filled),
        created_at=from_us(_int(created)),
        updated_at=from_us(_int(updated)),
        stop_micros=_int(stop) if stop is not None else None,
        oca=str(oca),
        perm_id=_int(perm_id) if perm_id is not None else None,
    )


def read_lock(row: Row) -> PendingLock:
    """From `live_locks`."""
    ref, account, symbol, family, direction, reserved, takes_slot, acquired_us = row
    return PendingLock(
        str(ref),
        str(account),
        str(symbol),
        str(family),
        _int(direction),
        _int(reserved),
        bool(takes_slot),
        from_us(_int(acquired_us)),
    )


def halt_row(account: str, halt: Halt) -> Row:
    """For `insert_halt`."""
    return (account, halt.scope, halt.target, halt.reason, to_us(halt.since), halt.flattens)


def read_halt(row: Row) -> Halt:
    """From `halts`."""
    scope, target, reason, since_us, flattens = row
    return Halt(str(scope), str(target), str(reason), from_us(_int(since_us)), bool(flattens))


def latch_row(account: str, latch: Latch) -> Row:
    """For `insert_latch`."""
    return (
        account,
        str(latch.breaker),
        str(latch.scope),
        latch.target,
        latch.cause,
        float(latch.measured),
        float(latch.limit),
        orjson.dumps(dict(latch.inputs), option=orjson.OPT_SORT_KEYS).decode(),
        latch.formula,
        latch.flattens,
        to_us(latch.tripped_at),
    )


def read_latch(row: Row) -> Latch:
    """From `latches`."""
    breaker, scope, target, cause, measured, limit, inputs, formula, flattens, tripped_us = row
    return Latch(
        breaker=Breaker(str(breaker)),
        scope=BreakerScope(str(scope)),
        target=str(target),
        cause=str(cause),
        measured=float(str(measured)),
        limit=float(str(limit)),
        inputs=read_inputs(str(inputs)),
        formula=str(formula),
        flattens=bool(flattens),
        tripped_at=from_us(_int(tripped_us)),
    )


def read_inputs(text: str) -> dict[str, InputValue]:
    """What a breaker has measured from, as it is stored."""
    return {str(name): value for name, value in orjson.loads(text).items() if isinstance(value, str | int | float)}


def drift_row(account: str, drift: Drift) -> Row:
    """For `put_drift`."""
    return (account, drift.symbol, drift.book, drift.broker, to_us(drift.since))


def read_drift(row: Row) -> Drift:
    """From `drift`."""
    symbol, book, broker, since_us = row
    return Drift(str(symbol), _int(book), _int(broker), from_us(_int(since_us)))


def cash_drift_row(account: str, drift: CashDrift) -> Row:
    """For `put_cash_drift`."""
    return (account, drift.book_micros, drift.broker_micros, to_us(drift.since))


def read_cash_drift(row: Row | None) -> CashDrift | None:
    """From `cash_drift`."""
    if row is None:
        return None
    book, broker, since_us = row
    return CashDrift(_int(book), _int(broker), from_us(_int(since_us)))


def read_day(row: Row, openings: Row) -> Day:
    """From `newest_day` and `openings_since`."""
    day, started_us, equity = row
    count, notional = openings
    return Day(
        day=date.fromisoformat(str(day)),
        started_at=from_us(_int(started_us)),
        opening_equity_micros=_int(equity),
        openings=_int(count),
        notional_micros=_int(notional),
    )


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected an integer in the book, found {value!r}")
    return value
