"""What the book and the gateway have to agree on, once everything is healed. Each difference is a sentence.

Looked at are the book's file, the daemon's own `status`, and the gateway's truth. Shares that are not to be booked
(that somebody has traded by hand, say) are not in the book; the difference has to be known there, to the share.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, cast

from gateway.orders import Execution

from proof.book_file import Facts, broken_invariants, read_book
from proof.exits import stopped
from proof.rig import ACCOUNT, NAME, Rig
from trader.adapters.control import Answer
from trader.domain.decision import Rule
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.reference import is_order_ref

OVERFILLED = "an order is filled by its fills and not beyond"
_SCANNED_WITHIN_S = 3


class Allowed(NamedTuple):
    """What a trouble may leave behind, since it is there for a person to see to."""

    halted: bool = False
    """Entries may be stopped until somebody has looked."""
    oversold: bool = False
    """A sale may go beyond what is held: that is not booked, and its shares are known as missing at the broker."""
    broken: Collection[str] = ()
    """Invariants of the book that what happened breaks: a broker that fills more than was ordered, for one."""


NOTHING = Allowed()
_TOLERATED_MICROS = 25 * MICROS_PER_DOLLAR


async def differences(rig: Rig, allowed: Allowed = NOTHING) -> list[str]:
    """Everything that is not as it should be; empty when it is."""
    status = await rig.status()
    if status is None:
        return ["no daemon answers"]
    book = read_book(rig.book)
    true = [one for one in ours(rig) if one.exec_id in book.fills or one.order.is_buy or not allowed.oversold]
    return [
        *broken_invariants(rig.book, frozenset(allowed.broken)),
        *(f"the daemon has ended by itself: {how}" for how in rig.daemon.ended),
        *([] if allowed.oversold else rig.seen),
        *_executions(book, true),
        *_positions(rig, book, true),
        *_cash(rig, book, true),
        *_orders(rig, book),
        *_sent_twice(rig),
        *_unprotected(rig, book, status),
        *_gate(rig, book, status, allowed),
    ]


def ours(rig: Rig) -> list[Execution]:
    """The gateway's executions of orders that the daemon has placed, each as it now stands."""
    executions = rig.gateway.truth.executions
    return [one for one in executions if one.order.account == ACCOUNT and is_order_ref(one.order.order_ref, NAME)]


def _executions(book: Facts, true: list[Execution]) -> Iterator[str]:
    """By id, with shares and price: what stands in the book is what stands at the broker."""
    at_broker = {one.exec_id: (one.shares, int(one.price * MICROS_PER_DOLLAR)) for one in true if one.shares}
    for id_ in sorted(book.fills.keys() | at_broker.keys()):
        if book.fills.get(id_) != at_broker.get(id_):
            yield f"execution {id_}: booked {book.fills.get(id_)}, at the broker {at_broker.get(id_)}"


def _positions(rig: Rig, book: Facts, true: list[Execution]) -> Iterator[str]:
    """The broker's shares are the book's, but for what the book knows to be different, and must not hold."""
    at_broker = rig.gateway.truth.positions(ACCOUNT)
    foreign: Counter[str] = Counter()
    for one in rig.gateway.truth.executions:
        if one.order.account == ACCOUNT and one not in true:
            foreign[one.order.listing.symbol] += one.signed_shares
    for symbol in sorted(book.held.keys() | at_broker.keys() | book.drift.keys()):
        here = book.held[symbol].shares if symbol in book.held else 0
        there = at_broker.get(symbol, 0)
        known = book.drift.get(symbol, (here, here))
        if known != (here, there):
            yield f"position {symbol}: book {here}, broker {there}, the difference that is known {known}"
        if there - here != foreign[symbol]:
            yield f"position {symbol}: book {here}, broker {there}, of which not to be booked {foreign[symbol]}"


def _cash(rig: Rig, book: Facts, true: list[Execution]) -> Iterator[str]:
    """Opening cash, and what our executions have made of it, commissions too, and what an operator has booked."""
    moved = sum(-one.signed_shares * one.price * one.order.listing.multiplier - one.commission_usd for one in true)
    booked = book.cash_micros - book.opening_micros - rig.cash_booked_micros
    if booked != int(moved * MICROS_PER_DOLLAR):
        yield f"cash: booked {booked} micros since the opening, at the broker {moved} dollars"


def _orders(rig: Rig, book: Facts) -> Iterator[str]:
    """What lives in the book lives at the broker, and the reverse; of nothing the fate is unknown."""
    there = Counter(one.order_ref for one in rig.gateway.truth.live() if is_order_ref(one.order_ref, NAME))
    if Counter(book.orders.keys()) != there:
        yield f"live orders: in the book {dict(book.orders)}, at the broker {dict(there)}"
    for one in rig.gateway.truth.live():
        levels = (_level(one.terms.limit), _level(one.terms.stop))
        if one.order_ref in book.levels and book.levels[one.order_ref] != levels:
            yield f"order {one.order_ref} has limit and stop {book.levels[one.order_ref]}, at the broker {levels}"
    yield from (f"order {ref} is of unknown fate" for ref, state in book.orders.items() if state == "unknown")


def _level(price: Decimal | None) -> int | None:
    return None if price is None else int(price * MICROS_PER_DOLLAR)


def _sent_twice(rig: Rig) -> Iterator[str]:
    asked = [one for one in rig.gateway.asked("placeOrder") if not one.flag("whatIf")]
    for ref, times in Counter(one.text("orderRef") for one in asked).items():
        if times > 1:
            yield f"order {ref} was sent {times} times"
    if nameless := [one for one in asked if not is_order_ref(one.text("orderRef"), NAME)]:
        yield f"orders without a reference of ours were sent: {nameless}"


def _unprotected(rig: Rig, book: Facts, status: Answer) -> Iterator[str]:
    """Every position is watched by the exit scanner, and at the broker by stops for all of it; or is on its way out."""
    scan = cast("Mapping[str, object]", status["scan"])
    armed, unarmed = cast("Mapping[str, int]", scan["armed"]), cast("Mapping[str, str]", scan["unarmed"])
    looked_at = str(scan["at"])
    if not looked_at or (rig.clock.now() - datetime.fromisoformat(looked_at)).total_seconds() > _SCANNED_WITHIN_S:
        yield f"the last exit scan is of {looked_at or 'never'}"
    for symbol, held in book.held.items():
        least = min(held.shares, max(book.drift[symbol][1], 0)) if symbol in book.drift else held.shares
        if armed.get(symbol, 0) < least and not held.is_closing:
            yield f"{symbol} is held and not protected: {unarmed.get(symbol, 'not looked at')}"
        at_broker = stopped(rig.gateway.truth, symbol)
        if rig.protects_at_broker and at_broker != least and not held.is_closing:
            yield f"{symbol}: stops at the broker sell {at_broker} of {least} held"


def _gate(rig: Rig, book: Facts, status: Answer, allowed: Allowed) -> Iterator[str]:
    """Entries may leave, but for cash that came or went by other hands: that is for a person to book."""
    barred = str(status["barred"])
    is_cash = (
        barred.startswith(Rule.CASH_DIFFERS) and abs(rig.broker_cash_micros - book.cash_micros) > _TOLERATED_MICROS
    )
    if barred and not is_cash:
        yield f"entries do not leave: {barred}"
    if book.halts and not allowed.halted:
        yield f"halted: {', '.join(f'{key} ({reason})' for key, reason in book.halts.items())}"
