"""A book being changed: what one step of the engine has gathered and decided, not yet committed.

The draft reads from the committed book and collects the transaction. When the store has committed it, `book()` is the
new truth in memory; when it has not, the draft is thrown away and memory is as it was.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import TypeVar

from trader.domain.alarm import AlarmType
from trader.domain.breaker import CREATION_BREAKERS, Latch
from trader.domain.cash import CashDrift, CashKind
from trader.domain.decision import ExitTicket, Purpose, Side, Ticket
from trader.domain.events import JournalEntry, JournalType, JsonValue
from trader.domain.exit_plan import ExitReason, Levels
from trader.domain.ledger import Booked, Lot, Position, RoundTrip, day_traded_on
from trader.domain.order import Fill, LateCommission, Order, OrderState, PendingLock
from trader.domain.portfolio import Book, Day, Drift, Halt
from trader.domain.reference import order_ref, reference_number
from trader.services.ports import Booking, Charge, Clearance, Commit, Entry, Exit, Pair, Rearming, Release

_BEFORE = "ended before the next exit was sent"

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Draft:
    """Reads through to the committed book; writes to copies."""

    def __init__(self, book: Book, now: datetime) -> None:
        self._before = book
        self.now = now
        self.commit = Commit(book.account, now, book.cash_micros, book.cash_micros)
        self.cash_micros = book.cash_micros
        self.positions: Mapping[str, Position] = book.positions
        self.lots: Mapping[str, tuple[Lot, ...]] = book.lots
        self.orders: Mapping[str, Order] = book.orders
        self.exits: Mapping[str, Order] = book.exits
        self.locks: Mapping[str, PendingLock] = book.locks
        self.halts: Mapping[str, Halt] = book.halts
        self.latches: Mapping[str, Latch] = book.latches
        self.cleared: Mapping[str, datetime] = book.cleared
        self.drift: Mapping[str, Drift] = book.drift
        self.cash_drift = book.cash_drift
        self.day: Day | None = book.day
        self.day_trades: Mapping[date, int] = book.day_trades
        self.past_creations: Mapping[str, tuple[datetime, ...]] = book.past_creations
        self.orders_made = book.orders_made
        self.signals_seen = book.signals_seen
        self.account = book.account
        self.unsent: set[str] = set()
        """References of the orders that are made in this step."""
        self._copied: set[str] = set()
        self._protection: dict[str, dict[str, Order]] | None = None
        """Stops and targets at the broker by symbol and reference; made when it is asked for, as each fill asks."""

    def _own(self, name: str) -> dict[_Key, _Value]:
        """The draft's own copy of one of the book's mappings, made at the first write."""
        mapping: dict[_Key, _Value] = getattr(self, name)
        if name not in self._copied:
            mapping = dict(mapping)
            setattr(self, name, mapping)
            self._copied.add(name)
        return mapping

    def note(self, type_: JournalType, symbol: str = "", **data: JsonValue) -> None:
        """Append a fact to the journal."""
        self.commit.journal.append(JournalEntry(type_, self.now, symbol, data))

    def alarm(self, type_: AlarmType, symbol: str, what: str, *, about: str = "", **data: JsonValue) -> None:
        """Append a fact that a person should know of; its alarm is written with it. `about`: where it is no symbol."""
        if about:
            data["about"] = about
        self.note(JournalType.ALARM, symbol, alarm=type_, what=what, **data)

    def set_order(self, order: Order) -> None:
        """Take over an order's new state; an ended order leaves memory."""
        self._hold(order)
        self.commit.orders[order.ref] = order

    def _hold(self, order: Order) -> None:
        """Memory's side of an order: among the live ones, and in its symbol's slot if it is an exit."""
        orders: dict[str, Order] = self._own("orders")
        if order.live:
            orders[order.ref] = order
        else:
            orders.pop(order.ref, None)
        if order.is_own_exit:
            self._fill_slot(order)
        if order.is_protection:
            self._hold_protection(order)

    def _hold_protection(self, order: Order) -> None:
        of_symbol = self._protection_by_symbol().setdefault(order.symbol, {})
        if order.live:
            of_symbol[order.ref] = order
        else:
            of_symbol.pop(order.ref, None)

    def _protection_by_symbol(self) -> dict[str, dict[str, Order]]:
        if self._protection is None:
            self._protection = {}
            for order in self.orders.values():
                if order.is_protection:
                    self._protection.setdefault(order.symbol, {})[order.ref] = order
        return self._protection

    def _fill_slot(self, order: Order) -> None:
        """The newest live exit of a symbol holds its slot: a late word of an older one does not take it.

        An older one can only be live beside it while exits wait to be booked; else the database allows no second.
        """
        exits: dict[str, Order] = self._own("exits")
        holder = exits.get(order.symbol)
        if order.live:
            if holder is None or reference_number(order.ref) >= reference_number(holder.ref):
                exits[order.symbol] = order
        elif holder is not None and holder.ref == order.ref:
            del exits[order.symbol]
            if self.commit.spilled:
                live = [other for other in self.orders.values() if other.symbol == order.symbol]
                older = [other for other in live if other.is_own_exit]
                if older:
                    exits[order.symbol] = max(older, key=lambda other: reference_number(other.ref))

    def set_position(self, position: Position) -> None:
        """Take over a position; a flat one leaves memory and keeps its row."""
        positions: dict[str, Position] = self._own("positions")
        if position.quantity:
            positions[position.symbol] = position
        else:
            positions.pop(position.symbol, None)
        self.commit.positions[position.symbol] = position

    def book_fill(self, booked: Booked, fill: Fill, purpose: str, reason: str) -> None:
        """Take over everything that follows from one execution."""
        self._take_over(booked, fill, purpose, reason)
        if fill.side is Side.SELL:
            self._count_sale(fill, 1)

    def book_reversal(self, booked: Booked, fill: Fill, reason: str) -> None:
        """Take over everything that follows from an execution that undoes another: a sale undone is no proceeds."""
        self._take_over(booked, fill, Purpose.REVERSAL, reason)
        if fill.side is Side.BUY:
            self._count_sale(fill, -1)

    def _take_over(self, booked: Booked, fill: Fill, purpose: str, reason: str) -> None:
        self.set_position(booked.position)
        lots: dict[str, tuple[Lot, ...]] = self._own("lots")
        if booked.lots:
            lots[fill.symbol] = booked.lots
        else:
            lots.pop(fill.symbol, None)
        self.move_cash(fill.cash_effect_micros)
        self._count_cost(fill, fill.commission_micros)
        if fill.symbol in self.drift:
            self.drifted(self.drift[fill.symbol].after(fill, booked.position.quantity))
        booking = Booking(fill, booked.realized_micros, purpose, reason, booked.position.quantity, booked.created)
        self.commit.bookings.append(booking)
        self.commit.lots.extend(booked.changed_lots)
        if booked.round_trip is not None:
            self._count_round_trip(booked.round_trip)

    def charge(self, late: LateCommission, fill: Fill, *, is_past: bool) -> None:
        """Book a commission that was told after its execution `fill`: cash pays it, and what had reserved cash for it.

        `is_past`: the position of the execution has become flat since, so that no held one pays.
        """
        self.move_cash(-late.commission_micros)
        self._count_cost(fill, late.commission_micros)
        position = self.positions.get(late.symbol)
        if position is not None and not is_past:
            self.set_position(position.charged(late.commission_micros))
        order, lock = self.orders.get(late.order_ref), self.locks.get(late.symbol)
        if order is not None and lock is not None and lock.order_ref == order.ref:
            self.set_lock(lock.charged(late.commission_micros, order))
        self.commit.charges.append(Charge(late, is_past or position is None))
        self.note(
            JournalType.COMMISSION,
            late.symbol,
            execution_id=late.execution_id,
            order_ref=late.order_ref,
            commission_micros=late.commission_micros,
        )

    def _count_sale(self, fill: Fill, sign: int) -> None:
        """The proceeds of the day are those of its own sales, not of one of an earlier day that was heard late."""
        if self.day is not None and fill.executed_at >= self.day.started_at:
            proceeds_micros = sign * fill.value_micros
            self.day = self.day._replace(sold_micros=self.day.sold_micros + proceeds_micros)

    def _count_cost(self, fill: Fill, commission_micros: int) -> None:
        """Of today's executions, as for their proceeds."""
        if commission_micros and self.day is not None and fill.executed_at >= self.day.started_at:
            self.day = self.day._replace(costs_micros=self.day.costs_micros + commission_micros)

    def _count_round_trip(self, trip: RoundTrip) -> None:
        self.commit.round_trips.append(trip)
        day = day_traded_on(trip.opened_at, trip.closed_at)
        if day is not None:
            day_trades: dict[date, int] = self._own("day_trades")
            day_trades[day] = day_trades.get(day, 0) + 1
        if self.day is not None and trip.opened_at >= self.day.started_at:
            created: dict[str, tuple[datetime, ...]] = self._own("past_creations")
            created[trip.symbol] = (*created.get(trip.symbol, ()), trip.opened_at)

    def entry_ended(self, symbol: str) -> None:
        """An entry works no more: what it has bought is open."""
        position = self.positions.get(symbol)
        after = position.entry_ended(self.now) if position is not None else None
        if after is not None and after is not position:
            self.set_position(after)

    def move_cash(self, amount_micros: int) -> None:
        """Change cash. It may go below zero: that is a violation to be seen, never a number to be clipped."""
        self.cash_micros += amount_micros
        self.commit.cash_micros = self.cash_micros

    def book_cash(self, amount_micros: int, kind: CashKind, reason: str, movement: str) -> None:
        """Book cash that has come or gone otherwise than by trading; `movement` is its name in a statement, if it has
        one."""
        self.move_cash(amount_micros)
        named: dict[str, str] = {"movement": movement} if movement else {}
        self.commit.movements.extend(named.values())
        self.note_movement("", amount_micros, kind=kind, reason=reason, **named)
        if self.cash_drift is not None:
            self._set_cash_drift(self.cash_drift.after(amount_micros))

    def note_movement(self, symbol: str, amount_micros: int, **more: JsonValue) -> None:
        """Journal cash that has come or gone otherwise than by trading; the day's figures leave it out."""
        self.note(JournalType.CASH_MOVED, symbol, amount_micros=amount_micros, **more)
        if self.day is not None:
            self.day = self.day._replace(moved_micros=self.day.moved_micros + amount_micros)

    def cash_differs(self, drift: CashDrift, *, stops_entries: bool) -> None:
        """Take over what cash book and broker do not agree on."""
        self._set_cash_drift(drift)
        self.note(
            JournalType.CASH_DIFFERS,
            book_micros=drift.book_micros,
            broker_micros=drift.broker_micros,
            stops_entries=stops_entries,
        )

    def cash_agrees(self, reason: str) -> None:
        """Book and broker agree on cash again."""
        self._set_cash_drift(None)
        self.note(JournalType.CASH_AGREES, reason=reason)

    def _set_cash_drift(self, drift: CashDrift | None) -> None:
        self.cash_drift = self.commit.cash_drift = drift
        self.commit.cash_drift_changed = True

    def start_day(self, day: Day) -> None:
        """Begin a day: its opening equity is stored, its counters are counted from now on."""
        self.day = day
        self.commit.day = day
        self.past_creations = {}
        self._copied.add("past_creations")

    def forget_day_trades(self, before: date) -> None:
        """Day trades of earlier dates count no longer."""
        self.day_trades = {day: count for day, count in self.day_trades.items() if day >= before}
        self._copied.add("day_trades")

    def set_lock(self, lock: PendingLock) -> None:
        """A lock that reserves less than before, or more after a correction."""
        locks: dict[str, PendingLock] = self._own("locks")
        locks[lock.symbol] = lock
        self.commit.locks[lock.order_ref] = lock

    def release(self, lock: PendingLock, evidence: str) -> None:
        """End a lock, on evidence that its order has ended."""
        locks: dict[str, PendingLock] = self._own("locks")
        locks.pop(lock.symbol, None)
        self.commit.locks.pop(lock.order_ref, None)
        self.commit.releases.append(Release(lock.order_ref, self.now, evidence))

    def halt(self, halt: Halt) -> None:
        """Bar entries of a scope; the first reason stays until it is cleared. One that stands may begin to flatten."""
        halts: dict[str, Halt] = self._own("halts")
        known = halts.get(halt.key)
        if known is not None and (known.flattens or not halt.flattens):
            return
        halt = halt if known is None else known._replace(flattens=True)
        halts[halt.key] = halt
        self.commit.halts.append(halt)
        flattens = halt.flattens
        self.note(JournalType.HALTED, scope=halt.scope, target=halt.target, reason=halt.reason, flattens=flattens)

    def resume(self, key: str, reason: str) -> bool:
        """Clear a halt; False when there is none."""
        halts: dict[str, Halt] = self._own("halts")
        if halts.pop(key, None) is None:
            return False
        self.commit.halts.append(Clearance(key, self.now, reason))
        if key == "all":
            self._count_creations_anew()
        self.note(JournalType.RESUMED, key=key, reason=reason)
        return True

    def trip(self, latch: Latch) -> bool:
        """Latch a breaker; False where it has tripped already."""
        if latch.key in self.latches:
            return False
        latches: dict[str, Latch] = self._own("latches")
        latches[latch.key] = latch
        self.commit.latches.append(latch)
        self.note(
            JournalType.BREAKER_TRIPPED,
            breaker=latch.breaker,
            scope=latch.scope,
            target=latch.target,
            cause=latch.cause,
            measured=latch.measured,
            limit_value=latch.limit,
            inputs=dict(latch.inputs),
            formula=latch.formula,
            flattens=latch.flattens,
        )
        return True

    def rearm(self, latch: Latch, by: str, reason: str, from_micros: int | None) -> None:
        """Clear a latch: what its breaker measures is counted from now on, of an amount from what it is now."""
        latches: dict[str, Latch] = self._own("latches")
        cleared: dict[str, datetime] = self._own("cleared")
        del latches[latch.key]
        cleared[latch.key] = self.now
        self.commit.latches.append(Rearming(latch.breaker, latch.target, self.now, by, reason))
        if latch.breaker in CREATION_BREAKERS:
            self._count_creations_anew()
        self.note(
            JournalType.BREAKER_CLEARED,
            breaker=latch.breaker,
            target=latch.target,
            cleared_by=by,
            reason=reason,
            from_micros=from_micros,
        )

    def _count_creations_anew(self) -> None:
        if self.day is not None and self.now >= self.day.started_at:
            self.day = self.day._replace(resumed_at=self.now)

    def drifted(self, drift: Drift) -> None:
        """Take over what book and broker do not agree on."""
        known: dict[str, Drift] = self._own("drift")
        known[drift.symbol] = drift
        self.commit.drift[drift.symbol] = drift

    def reconciled(self, symbol: str, reason: str) -> None:
        """Book and broker agree on a symbol again."""
        known: dict[str, Drift] = self._own("drift")
        known.pop(symbol, None)
        self.commit.drift[symbol] = None
        self.note(JournalType.DRIFT_ENDED, symbol, reason=reason)

    def may_sell(self, position: Position) -> int:
        """Shares that an exit may ask for: what is held, and no more than the broker is known to have."""
        drift = self.drift.get(position.symbol)
        return position.quantity if drift is None else max(0, min(position.quantity, drift.broker))

    def next_ref(self) -> str:
        """A reference that no order of this book has had."""
        self.orders_made += 1
        return order_ref(self.account, self._before.epoch, self.orders_made)

    def protection(self, symbol: str) -> list[Order]:
        """Stops and targets of a symbol that live at the broker, or may."""
        return list(self._protection_by_symbol().get(symbol, {}).values())

    @property
    def protected(self) -> set[str]:
        """Symbols of which any stop or target lives at the broker, or may."""
        return {symbol for symbol, orders in self._protection_by_symbol().items() if orders}

    def open(
        self, ticket: Ticket, grounds: Mapping[str, JsonValue] = MappingProxyType({}), levels: Levels | None = None
    ) -> PendingLock:
        """Draft the lock and the order of a ticket, journaled on these grounds. Nothing is sent before the commit.

        `levels`: of the pair that protects it at the broker, and is sent with it.
        """
        ref = self.next_ref()
        lock = PendingLock(
            ref,
            self.account,
            ticket.symbol,
            ticket.family,
            ticket.direction,
            ticket.reserved_micros,
            ticket.takes_slot,
            self.now,
        )
        order = Order(
            ref=ref,
            account=self.account,
            symbol=ticket.symbol,
            side=Side.BUY,
            quantity=ticket.quantity,
            limit_micros=ticket.limit_micros,
            purpose=Purpose.ENTRY,
            reason="signal",
            signal_id=ticket.signal.id,
            state=OrderState.CREATED,
            filled=0,
            created_at=self.now,
            updated_at=self.now,
        )
        data: dict[str, JsonValue] = {
            **self._order_data(order),
            "family": lock.family,
            "direction": lock.direction,
            "reserved_micros": lock.reserved_micros,
            "takes_slot": lock.takes_slot,
            **grounds,
        }
        journal = JournalEntry(JournalType.ORDER_CREATED, self.now, order.symbol, data)
        locks: dict[str, PendingLock] = self._own("locks")
        locks[lock.symbol] = lock
        self._hold(order)
        self.unsent.add(ref)
        pair = self._pair(ticket.symbol, ticket.quantity, levels, ref) if levels is not None else None
        self.commit.entries.append(Entry(lock, order, journal, pair))
        self._count_opening(1, order.worst_micros(order.quantity))
        return lock

    def _count_opening(self, openings: int, notional_micros: int) -> None:
        if self.day is not None:
            self.day = self.day._replace(
                openings=self.day.openings + openings,
                notional_micros=self.day.notional_micros + notional_micros,
            )

    def exit(self, ticket: ExitTicket) -> Order:
        """Draft a reduce-only order in the symbol's exit slot."""
        order = self._sale(ticket)
        self.commit.exits.append(self._written(order))
        return order

    def _sale(self, ticket: ExitTicket) -> Order:
        return Order(
            ref=self.next_ref(),
            account=self.account,
            symbol=ticket.symbol,
            side=Side.SELL,
            quantity=ticket.quantity,
            limit_micros=None,
            purpose=ticket.purpose,
            reason=ticket.reason,
            signal_id=ticket.signal_id,
            state=OrderState.CREATED,
            filled=0,
            created_at=self.now,
            updated_at=self.now,
        )

    def _written(self, order: Order) -> Exit:
        """Hold a new sale, with the journal's word of it."""
        self._hold(order)
        self.unsent.add(order.ref)
        return Exit(order, JournalEntry(JournalType.ORDER_CREATED, self.now, order.symbol, self._order_data(order)))

    def _order_data(self, order: Order) -> dict[str, JsonValue]:
        """The journal's word of a new order, with the build that made it."""
        protects: dict[str, JsonValue] = {"stop_micros": order.stop_micros, "oca": order.oca}
        return {
            **(protects if order.is_protection else {}),
            **({"build": self._before.build} if self._before.build else {}),
            "order_ref": order.ref,
            "side": order.side,
            "quantity": order.quantity,
            "limit_micros": order.limit_micros,
            "purpose": order.purpose,
            "reason": order.reason,
            "signal_id": order.signal_id,
        }

    def protect(self, symbol: str, quantity: int, levels: Levels) -> None:
        """Draft a pair for shares that are held."""
        self.commit.pairs.append(self._pair(symbol, quantity, levels))

    def _pair(self, symbol: str, quantity: int, levels: Levels, group: str = "") -> Pair:
        """A stop and a target in a group of that name, or of the stop's."""
        stop = self._sale(ExitTicket(symbol, quantity, Purpose.PROTECTION, ExitReason.STOP))
        stop = stop._replace(stop_micros=levels.stop_micros, oca=group or stop.ref)
        target = self._sale(ExitTicket(symbol, quantity, Purpose.PROTECTION, ExitReason.TAKE_PROFIT))
        target = target._replace(limit_micros=levels.take_profit_micros, oca=stop.oca)
        return Pair(self._written(stop), self._written(target))

    def adopt(self, orders: Iterable[Order]) -> None:
        """Exits that have left while the book could not be written come first: their positions are on their way out."""
        for order in orders:
            position = self.positions.get(order.symbol)
            if position is not None and order.quantity == self.may_sell(position):
                self._close(position, order)
            self.orders_made = max(self.orders_made, reference_number(order.ref))
            self._end_protection(order)
            self.commit.spilled.append(order)
            self._hold(order)
            self._note_then(JournalType.ORDER_CREATED, order, self._order_data(order))
            if not order.live:
                ended = {"order_ref": order.ref, "state": order.state, "reason": _BEFORE}
                self._note_then(JournalType.ORDER_STATE, order, ended)

    def _end_protection(self, exit_: Order) -> None:
        """An exit leaves when what protected its symbol has ended: only the moment before it has heard of that."""
        for order in self.protection(exit_.symbol):
            ended = order._replace(state=OrderState.CANCELLED, updated_at=exit_.created_at)
            self.set_order(ended)
            data: dict[str, JsonValue] = {"order_ref": order.ref, "state": ended.state, "reason": _BEFORE}
            self._note_then(JournalType.ORDER_STATE, exit_, data)

    def _close(self, position: Position, order: Order) -> None:
        """An exit has left: its position is on its way out, if that was not decided and written before."""
        closing = position.closing(order.purpose, order.reason, order.created_at)
        if closing is not position:
            self.set_position(closing)
            self._note_then(JournalType.POSITION_CLOSING, order, _closing_data(order))

    def _note_then(self, type_: JournalType, order: Order, data: Mapping[str, JsonValue]) -> None:
        """Append a fact of the moment when the order was made."""
        self.commit.journal.append(JournalEntry(type_, order.created_at, order.symbol, data))

    def without(self, refused: Mapping[str, object]) -> None:
        """Forget the orders that the database refused."""
        for exit_ in [exit_ for exit_ in self.commit.exits if exit_.order.ref in refused]:
            working: dict[str, Order] = self._own("orders")
            slots: dict[str, Order] = self._own("exits")
            working.pop(exit_.order.ref, None)
            slots.pop(exit_.order.symbol, None)
            self.commit.exits.remove(exit_)
        for entry in [entry for entry in self.commit.entries if entry.order.ref in refused]:
            locks: dict[str, PendingLock] = self._own("locks")
            orders: dict[str, Order] = self._own("orders")
            orders.pop(entry.order.ref, None)
            self.commit.entries.remove(entry)
            if locks.get(entry.lock.symbol) == entry.lock:
                self._put_back(locks, entry.lock.symbol)
            self._count_opening(-1, -entry.order.worst_micros(entry.order.quantity))
            self._forget_pair(entry.pair)
        for pair in [pair for pair in self.commit.pairs if pair.stop.order.ref in refused]:
            self.commit.pairs.remove(pair)
            self._forget_pair(pair)

    def _forget_pair(self, pair: Pair | None) -> None:
        orders: dict[str, Order] = self._own("orders")
        for order in pair.orders if pair is not None else ():
            orders.pop(order.ref, None)
        self._protection = None

    def _put_back(self, locks: dict[str, PendingLock], symbol: str) -> None:
        """Of a symbol whose entry was refused: the lock that it was refused for, if this draft knows it."""
        del locks[symbol]
        released = {release.order_ref for release in self.commit.releases}
        before = self._before.locks.get(symbol)
        if before is not None and before.order_ref not in released:
            locks[symbol] = self.commit.locks.get(before.order_ref, before)
        for entry in self.commit.entries:
            if entry.lock.symbol == symbol:
                locks[symbol] = entry.lock

    def sealed(self) -> Commit:
        """The transaction, with the account's running numbers as they now are."""
        self.commit.orders_made = self.orders_made
        self.commit.signals_seen = self.signals_seen
        return self.commit

    def book(self) -> Book:
        """The book after the commit."""
        return Book(
            account=self.account,
            epoch=self._before.epoch,
            cash_micros=self.cash_micros,
            starting_cash_micros=self._before.starting_cash_micros,
            positions=self.positions,
            lots=self.lots,
            orders=self.orders,
            exits=self.exits,
            locks=self.locks,
            halts=self.halts,
            latches=self.latches,
            cleared=self.cleared,
            drift=self.drift,
            cash_drift=self.cash_drift,
            day=self.day,
            day_trades=self.day_trades,
            past_creations=self.past_creations,
            orders_made=self.orders_made,
            signals_seen=self.signals_seen,
            build=self._before.build,
        )


def _closing_data(order: Order) -> dict[str, JsonValue]:
    return {"purpose": order.purpose, "reason": order.reason, "signal_id": order.signal_id}
