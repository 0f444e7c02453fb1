"""What the book and the gateway have to agree on, once everything is healed. Each difference is a sentence.

Shares that somebody has traded by hand are not in the book; the difference has to be known there, to the share.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from gateway.orders import Execution
from invariants import violations

from proof.rig import ACCOUNT, NAME, Rig
from trader.domain.ledger import PositionState
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.order import OrderState, reversal_of
from trader.domain.reference import is_order_ref

OVERFILLED = "an order is filled by its fills and not beyond"


class Allowed(NamedTuple):
    """What a trouble may leave behind, since it is there for a person to see to."""

    halted: bool = False
    """Entries may be stopped until somebody has looked."""
    oversold: bool = False
    """A sale may go beyond what is held: that is not booked, and its shares are known as missing at the broker."""
    broken: Collection[str] = ()
    """Invariants of the book that what happened breaks: a broker that fills more than was ordered, for one."""


def differences(rig: Rig, allowed: Allowed = Allowed()) -> list[str]:
    """Everything that is not as it should be; empty when it is."""
    if not rig.is_alive:
        return ["no daemon lives"]
    connection = sqlite3.connect(f"file:{rig.book}?mode=ro", uri=True)
    try:
        true = _to_be_booked(rig, connection, allowed)
        found = violations(connection, but=frozenset(allowed.broken))
        return [
            *(f"{name}: {rows}" for name, rows in found.items()),
            *_executions(connection, true),
            *_positions(rig, connection, true),
            *_cash(connection, true),
            *_orders(rig, connection),
            *_sent_twice(rig),
            *_unprotected(rig),
            *_gate(rig, allowed),
        ]
    finally:
        connection.close()


def ours(rig: Rig) -> list[Execution]:
    """The gateway's executions of orders that the daemon has placed, each as it now stands."""
    executions = rig.gateway.truth.executions
    return [one for one in executions if one.order.account == ACCOUNT and is_order_ref(one.order.order_ref, NAME)]


def _to_be_booked(rig: Rig, book: sqlite3.Connection, allowed: Allowed) -> list[Execution]:
    """All of ours; where it is allowed, without sales that the book has not taken."""
    booked = {id_ for (id_,) in book.execute("SELECT execution_id FROM book_fills")}
    return [one for one in ours(rig) if one.exec_id in booked or one.order.is_buy or not allowed.oversold]


def _executions(book: sqlite3.Connection, true: list[Execution]) -> Iterator[str]:
    """By id, with shares and price: what stands in the book is what stands at the broker."""
    rows = book.execute("SELECT execution_id, quantity, price_micros, purpose FROM book_fills").fetchall()
    undone = {id_ for id_, _, _, purpose in rows if purpose == "reversal"}
    booked = {
        id_: (shares, price)
        for id_, shares, price, purpose in rows
        if purpose != "reversal" and reversal_of(id_) not in undone
    }
    at_broker = {one.exec_id: (one.shares, int(one.price * MICROS_PER_DOLLAR)) for one in true if one.shares}
    for id_ in sorted(booked.keys() | at_broker.keys()):
        if booked.get(id_) != at_broker.get(id_):
            yield f"execution {id_}: booked {booked.get(id_)}, at the broker {at_broker.get(id_)}"


def _positions(rig: Rig, book: sqlite3.Connection, true: list[Execution]) -> Iterator[str]:
    """The broker's shares are the book's, but for what the book knows to be different, and must not hold."""
    held = dict(book.execute("SELECT symbol, quantity FROM book_positions WHERE quantity > 0").fetchall())
    in_memory = {position.symbol: position.quantity for position in rig.engine.book.positions.values()}
    if held != in_memory:
        yield f"positions: in the file {held}, in memory {in_memory}"
    at_broker, drift = rig.gateway.truth.positions(ACCOUNT), rig.engine.book.drift
    foreign: Counter[str] = Counter()
    for one in rig.gateway.truth.executions:
        if one.order.account == ACCOUNT and one not in true:
            foreign[one.order.listing.symbol] += one.signed_shares
    for symbol in sorted(held.keys() | at_broker.keys() | drift.keys()):
        here, there = held.get(symbol, 0), at_broker.get(symbol, 0)
        known = (drift[symbol].book, drift[symbol].broker) if symbol in drift else (here, here)
        if known != (here, there):
            yield f"position {symbol}: book {here}, broker {there}, the difference that is known {known}"
        if there - here != foreign[symbol]:
            yield f"position {symbol}: book {here}, broker {there}, of which not to be booked {foreign[symbol]}"


def _cash(book: sqlite3.Connection, true: list[Execution]) -> Iterator[str]:
    """Opening cash, and what our executions have made of it, commissions too."""
    [(cash, opening)] = book.execute("SELECT cash_micros, starting_cash_micros FROM book_accounts").fetchall()
    moved = sum(-one.signed_shares * one.price - one.commission_usd for one in true)
    if cash != opening + int(moved * MICROS_PER_DOLLAR):
        yield f"cash: booked {cash - opening} micros since the opening, at the broker {moved} dollars"


def _orders(rig: Rig, book: sqlite3.Connection) -> Iterator[str]:
    """What lives in the book lives at the broker, and the reverse; of nothing the fate is unknown."""
    live = "SELECT order_ref FROM book_orders WHERE state IN ('created', 'working', 'cancelling', 'unknown')"
    here = Counter(ref for (ref,) in book.execute(live))
    there = Counter(one.order_ref for one in rig.gateway.truth.live() if is_order_ref(one.order_ref, NAME))
    if here != there:
        yield f"live orders: in the book {dict(here)}, at the broker {dict(there)}"
    for order in rig.engine.book.orders.values():
        if order.state is OrderState.UNKNOWN:
            yield f"order {order.ref} is of unknown fate"


def _sent_twice(rig: Rig) -> Iterator[str]:
    asked = [one for one in rig.gateway.asked("placeOrder") if not one.flag("whatIf")]
    for ref, times in Counter(one.text("orderRef") for one in asked).items():
        if times > 1:
            yield f"order {ref} was sent {times} times"
    if nameless := [one for one in asked if not is_order_ref(one.text("orderRef"), NAME)]:
        yield f"orders without a reference of ours were sent: {nameless}"


def _unprotected(rig: Rig) -> Iterator[str]:
    """Every position is watched by the exit scanner, or on its way out."""
    scan, book = rig.engine.trading.exits.last, rig.engine.book
    if (rig.clock.now() - scan.at).total_seconds() > 1:
        yield f"the last exit scan is of {scan.at}"
    for symbol, position in book.positions.items():
        if position.state is PositionState.CLOSING:
            continue
        least = min(position.quantity, book.drift[symbol].broker if symbol in book.drift else position.quantity)
        if scan.armed.get(symbol, 0) < least or position.exit_plan is None:
            yield f"{symbol} is held and not protected: {scan.unarmed.get(symbol, 'not looked at')}"


def _gate(rig: Rig, allowed: Allowed) -> Iterator[str]:
    if rig.engine.trading.gate.why:
        yield f"entries do not leave: {rig.engine.trading.gate.why}"
    if rig.engine.book.halts and not allowed.halted:
        yield f"halted: {', '.join(f'{key} ({halt.reason})' for key, halt in rig.engine.book.halts.items())}"
