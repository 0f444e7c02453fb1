"""Orders and their executions: each once, known by its reference, and written down before it is sent."""

import sqlite3
from collections.abc import Iterator

from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.adapters.spill_file import SpillFile, spill_path
from trader.domain.decision import Purpose, Side
from trader.domain.order import Fill, Order, reversal_of
from trader.domain.reference import reference_number
from trader.services.settlement import by_hand

_CORRECTIONS = ("adopted-", "missing-")
"""Executions that an operator has booked begin so."""
_REVERSAL = reversal_of("")

_SENT_FIELDS = "symbol, side, quantity, limit_micros, purpose, signal_id"
_EXTERNAL = "external"
_HALTED = "SELECT 1 FROM book_halts WHERE scope = 'all' AND (cleared_us IS NULL OR instr(reason, ?))"


@invariant(1)
def each_booked_execution_is_one_of_the_broker(scene: Scene) -> Iterator[str]:
    """To the share and the micro. The id is unique in the book, so it counts once; commission is number 11."""
    for row, fill in _booked(scene):
        if fill is None:
            yield f"{row['execution_id']} is booked, and the broker has made no such execution"
        elif tuple(row)[1:7] != (
            fill.execution_id,
            fill.order_ref,
            fill.symbol,
            fill.side,
            fill.quantity,
            fill.price_micros,
        ):
            yield f"{tuple(row)[1:7]} is booked of {fill}"


@invariant(1)
def a_reversal_undoes_what_the_broker_has_replaced(scene: Scene) -> Iterator[str]:
    """To the share and the micro, and only where there is a revision that takes its place."""
    for row in scene.news.fills:
        execution_id = row["execution_id"]
        if not execution_id.startswith(_REVERSAL):
            continue
        original = scene.venue.revisions.get(execution_id.removeprefix(_REVERSAL))
        if original is None or not _is_replaced(scene, original):
            yield f"{execution_id} is booked, and the broker has replaced no such execution"
            continue
        undone = (original.symbol, original.quantity, original.price_micros, -original.commission_micros)
        booked = (row["symbol"], row["quantity"], row["price_micros"], row["commission_micros"])
        if booked != undone or row["side"] == original.side:
            yield f"{execution_id} is booked as {row['side']} {booked}, and undoes {original}"


@invariant(1, When.SETTLED)
def the_newest_revision_of_every_execution_is_booked(scene: Scene) -> Iterator[str]:
    """Whatever was lost on the way, and whoever was down; but for those of orders that still have reports to come."""
    booked = {row[0] for row in scene.rows("SELECT execution_id FROM book_fills")}
    for fill in scene.venue.executions.values():
        if fill.order_ref in scene.book.orders or _is_resolved(fill, booked) or alarmed(scene, fill.execution_id):
            continue
        if fill.quantity and fill.execution_id not in booked:
            yield f"{fill.execution_id} has never been booked: {fill}"
        for replaced in fill.corrects:
            if replaced in booked and reversal_of(replaced) not in booked:
                yield f"{replaced} was replaced by {fill.execution_id} and stands"


@invariant(2)
def what_leaves_is_what_was_written(scene: Scene) -> Iterator[str]:
    """One reference, one intent: the order that is sent is that of its row, down to the signal."""
    for order in scene.news.sent:
        rows = scene.rows(f"SELECT {_SENT_FIELDS} FROM book_orders WHERE order_ref = ?", order.ref)  # noqa: S608
        sent = (order.symbol, order.side, order.quantity, order.limit_micros, order.purpose, order.signal_id)
        if rows and tuple(rows[0]) != sent:
            yield f"{order.ref} has left as {sent} and is written as {tuple(rows[0])}"


@invariant(2, When.CLOSE)
@invariant(2, When.DEATH)
def one_intent_one_opening_order(scene: Scene) -> Iterator[str]:
    """A signal leads to one entry, ever."""
    for row in scene.rows(
        "SELECT signal_id, count(*) AS orders, max(order_ref) AS newest FROM book_orders WHERE purpose = 'entry' "
        "GROUP BY account, signal_id HAVING orders > 1"
    ):
        yield f"signal {row['signal_id']} has {row['orders']} entries, {row['newest']} among them"


@invariant(3)
def written_before_it_is_sent(scene: Scene) -> Iterator[str]:
    """In the book; an exit that the book cannot take, in the spill file; not even there only where its disk refused."""
    for order in scene.news.sent:
        if order.ref in scene.history.unwritten or _is_in_the_book(scene, order.ref):
            continue
        if order.side is Side.BUY or order.ref not in spilled(scene):
            yield f"{order.side} {order.quantity} {order.symbol} {order.ref} has left and is written nowhere"


@invariant(4)
def sent_at_most_once(scene: Scene) -> Iterator[str]:
    """A reference is sent once, through all lives."""
    for order in scene.news.sent:
        if scene.history.sent[order.ref] > 1 and order.ref not in scene.history.unwritten:
            yield f"{order.ref} was sent {scene.history.sent[order.ref]} times"


@invariant(4)
def no_successor_while_its_predecessor_works(scene: Scene) -> Iterator[str]:
    """By the broker's truth: an order of the same symbol and side has ended there, or has never come there."""
    for order in scene.news.sent:
        for other in working(scene, order.symbol, order.side):
            if other.ref != order.ref:
                yield f"{order.side} {order.symbol} {order.ref} has left while {other.ref} works at the broker"


@invariant(5)
def references_grow_from_life_to_life(scene: Scene) -> Iterator[str]:
    """The project's order ids: no life uses a number again, or one below those that an earlier one has sent."""
    for order in scene.news.sent:
        if reference_number(order.ref) <= scene.history.highest_before:
            yield f"{order.ref} was sent after a life that had come to number {scene.history.highest_before}"


@invariant(6)
def an_execution_of_ours_is_known_as_ours(scene: Scene) -> Iterator[str]:
    """By its reference: it is booked for what its order was made for."""
    for row in scene.news.fills:
        order = scene.history.orders.get(row["order_ref"])
        is_ours = order is not None and order.ref not in scene.history.unwritten
        if order is not None and is_ours and row["purpose"] not in (order.purpose, Purpose.REVERSAL):
            yield f"{row['execution_id']} is booked as {row['purpose']} {row['reason']}, and its order is {order}"


@invariant(6)
def an_execution_of_nobody_is_external_and_stops_entries(scene: Scene) -> Iterator[str]:
    """It moves the position, and it is an alarm."""
    for row in scene.news.fills:
        fill = scene.venue.revisions.get(row["execution_id"])
        if row["order_ref"] in scene.history.orders or fill is None or fill.corrects:
            continue
        if row["reason"] != _EXTERNAL:
            yield f"{row['execution_id']} of nobody is booked as {row['reason']}"
        if not alarmed(scene, row["execution_id"]):
            yield f"{row['execution_id']} of nobody was booked without an alarm"
        if not scene.rows(_HALTED, row["execution_id"]):
            yield f"{row['execution_id']} of nobody has not stopped entries"


@invariant(11)
def commission_is_applied_once(scene: Scene) -> Iterator[str]:
    """As the broker has charged it, with its execution: never a guess, never twice."""
    for row, fill in _booked(scene):
        if fill is not None and row["commission_micros"] != fill.commission_micros:
            yield f"{row['execution_id']} is booked with {row['commission_micros']} micros, and {fill} was charged"


def working(scene: Scene, symbol: str, side: Side) -> Iterator[Order]:
    """Orders of a symbol that work at the broker, by its truth."""
    ended = scene.venue.ended
    for ref, order in scene.venue.received.items():
        if order.symbol == symbol and order.side is side and ref not in ended:
            yield order


def alarmed(scene: Scene, what: str) -> bool:
    """Whether the journal has an alarm that names it."""
    return bool(scene.rows("SELECT 1 FROM book_events WHERE type = 'alarm' AND instr(data, ?)", what))


def _booked(scene: Scene) -> Iterator[tuple[sqlite3.Row, Fill | None]]:
    """What was booked since the look before, with the broker's word of it; corrections by hand apart."""
    for row in scene.news.fills:
        if not _is_correction(row["execution_id"]):
            yield row, scene.venue.revisions.get(row["execution_id"])


def _is_correction(execution_id: str) -> bool:
    return execution_id.startswith((*_CORRECTIONS, by_hand(""), _REVERSAL))


def revises(scene: Scene, row: sqlite3.Row) -> bool:
    """Whether a booked execution undoes another one, or takes its place."""
    fill = scene.venue.revisions.get(row["execution_id"])
    return row["execution_id"].startswith(_REVERSAL) or (fill is not None and bool(fill.corrects))


def is_revised_unheard(scene: Scene, symbol: str) -> bool:
    """The broker has replaced an execution of a symbol, and the book still has the one before."""
    revised = [fill for fill in scene.venue.executions.values() if fill.symbol == symbol and fill.corrects]
    if not revised:
        return False
    booked = {row[0] for row in scene.rows("SELECT execution_id FROM book_fills WHERE symbol = ?", symbol)}
    return any(id_ in booked and reversal_of(id_) not in booked for fill in revised for id_ in fill.corrects)


def _is_replaced(scene: Scene, fill: Fill) -> bool:
    return any(fill.execution_id in newer.corrects for newer in scene.venue.revisions.values())


def _is_resolved(fill: Fill, booked: set[str]) -> bool:
    """An operator has said what became of its order."""
    return by_hand(fill.order_ref) in booked


def _is_in_the_book(scene: Scene, order_ref: str) -> bool:
    return bool(scene.rows("SELECT 1 FROM book_orders WHERE order_ref = ?", order_ref))


def spilled(scene: Scene) -> set[str]:
    """References in the spill file."""
    path = spill_path(scene.settings.book.db, scene.account)
    if not path.exists():
        return set()
    spill = SpillFile(path)
    try:
        return {order.ref for order in spill.read()}
    finally:
        spill.close()
