"""Orders and their executions: each once, known by its reference, and written down before it is sent.

An execution that the broker corrects has a family of revisions; the book undoes what stood by a row of its own, and
books the newest in its place.
"""

import sqlite3
from collections.abc import Iterator

from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.adapters.spill_file import SpillFile, spill_path
from trader.domain.decision import Purpose, Side
from trader.domain.order import Fill, Order, corrected_by, reversal_of
from trader.domain.reference import reference_number
from trader.services.settlement import by_hand

_CORRECTIONS = ("adopted-", "missing-")
"""Executions that an operator has booked begin so."""

_SENT_FIELDS = "symbol, side, quantity, limit_micros, purpose, signal_id, stop_micros, oca"
_EXTERNAL = "external"
_HALTED = "SELECT 1 FROM book_halts WHERE scope = 'all' AND (cleared_us IS NULL OR instr(reason, ?))"


@invariant(1)
def each_booked_execution_is_one_of_the_broker(scene: Scene) -> Iterator[str]:
    """To the share and the micro; of a sale beyond what was held no more than that, and an alarm. Commission is 11."""
    for row, fill in _booked(scene):
        if fill is None:
            yield f"{row['execution_id']} is booked, and the broker has made no such execution"
            continue
        is_cut = row["quantity"] < fill.quantity and alarmed(scene, fill.execution_id)
        expected = (fill.order_ref, fill.symbol, fill.side, row["quantity"] if is_cut else fill.quantity)
        found = (row["order_ref"], row["symbol"], row["side"], row["quantity"])
        if found != expected or row["price_micros"] != fill.price_micros:
            yield f"{found} at {row['price_micros']} micros is booked of {fill}"


@invariant(1, When.CLOSE)
@invariant(1, When.DEATH)
def a_family_stands_once(scene: Scene) -> Iterator[str]:
    """Of all the revisions of an execution one counts; the others were undone."""
    stands: dict[str, str] = {}
    for execution_id in standing_executions(scene):
        fill = scene.venue.revisions.get(execution_id)
        first = (*fill.corrects, execution_id)[0] if fill is not None else execution_id
        if first in stands:
            yield f"{stands[first]} and {execution_id} are one execution, and both count"
        stands[first] = execution_id


@invariant(1, When.SETTLED)
def every_execution_of_the_broker_is_booked(scene: Scene) -> Iterator[str]:
    """Its newest revision, whatever was lost on the way, and whoever was down; but for orders with reports to come.

    One that cannot be booked is in the journal as that.
    """
    booked, waiting = standing_executions(scene), scene.book.orders
    for first, fill in scene.venue.executions.items():
        if not fill.quantity or fill.execution_id in booked or fill.order_ref in waiting:
            continue
        if not (by_hand(fill.order_ref) in booked or alarmed(scene, fill.execution_id)):
            yield f"{first} has never been booked: {fill}"


@invariant(2)
def what_leaves_is_what_was_written(scene: Scene) -> Iterator[str]:
    """One reference, one intent: the order that is sent is that of its row, down to the signal."""
    for order in scene.news.sent:
        rows = scene.rows(f"SELECT {_SENT_FIELDS} FROM book_orders WHERE order_ref = ?", order.ref)  # noqa: S608
        what = (order.symbol, order.side, order.quantity, order.limit_micros, order.purpose, order.signal_id)
        sent = (*what, order.stop_micros, order.oca)
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


@invariant(2)
def what_arrives_is_what_left(scene: Scene) -> Iterator[str]:
    """On the wire an order becomes no other one."""
    yield from scene.venue.distorted


@invariant(4)
def received_at_most_once(scene: Scene) -> Iterator[str]:
    """Whatever is done below the port: the broker gets an order once."""
    yield from (f"order {ref} has arrived {times} times" for ref, times in scene.venue.arrivals.items() if times > 1)


@invariant(4)
def no_successor_while_its_predecessor_works(scene: Scene) -> Iterator[str]:
    """By the broker's truth: an order of the same symbol and side has ended there, or has never come there.

    Protection may stand beside protection, and beside nothing else that sells.
    """
    for order in scene.news.sent:
        for other in working(scene, order.symbol, order.side):
            if other.ref != order.ref and not (order.is_protection and other.is_protection):
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
        if order is None or order.ref in scene.history.unwritten or row["purpose"] == Purpose.REVERSAL:
            continue
        if row["purpose"] != order.books_as:
            yield f"{row['execution_id']} is booked as {row['purpose']} {row['reason']}, and its order is {order}"


@invariant(6)
def an_execution_of_nobody_is_external_and_stops_entries(scene: Scene) -> Iterator[str]:
    """It moves the position, and it is an alarm."""
    for row in scene.news.fills:
        if row["order_ref"] in scene.history.orders or is_corrected(row) or _is_by_operator(row["execution_id"]):
            continue
        if row["reason"] != _EXTERNAL:
            yield f"{row['execution_id']} of nobody is booked as {row['reason']}"
        if not alarmed(scene, row["execution_id"]):
            yield f"{row['execution_id']} of nobody was booked without an alarm"
        if not scene.rows(_HALTED, row["execution_id"]):
            yield f"{row['execution_id']} of nobody has not stopped entries"


@invariant(11)
def commission_is_applied_once(scene: Scene) -> Iterator[str]:
    """As the broker has charged it, with its execution or later: never a guess, never twice."""
    for row, fill in _booked(scene):
        if not row["commission_micros"] and row["execution_id"] in scene.venue.charged_late:
            continue
        if fill is not None and row["commission_micros"] != fill.commission_micros:
            yield f"{row['execution_id']} is booked with {row['commission_micros']} micros, and {fill} was charged"


def working(scene: Scene, symbol: str, side: Side) -> Iterator[Order]:
    """Orders of a symbol that work at the broker, by its truth."""
    ended = scene.venue.ended
    for ref, order in scene.venue.received.items():
        if order.symbol == symbol and order.side is side and ref not in ended:
            yield order


def is_unbookable(scene: Scene, symbol: str) -> bool:
    """Whether an execution of it could not be booked: book and broker differ by it, and a person has been told."""
    return bool(scene.rows("SELECT 1 FROM book_events WHERE type = 'unexpected_fill' AND symbol = ?", symbol))


def alarmed(scene: Scene, what: str) -> bool:
    """Whether the journal has an alarm that names it."""
    return bool(scene.rows("SELECT 1 FROM book_events WHERE type = 'alarm' AND instr(data, ?)", what))


def is_corrected(row: sqlite3.Row) -> bool:
    """Whether a booked execution undoes another one, or stands in its place."""
    return row["purpose"] == Purpose.REVERSAL or bool(corrected_by(row["reason"]))


def untold(scene: Scene, symbol: str) -> bool:
    """Whether the broker has made or changed an execution of it, and no report has arrived, and nothing is booked."""
    return any(id_ not in scene.history.told for id_ in _unbooked(scene, symbol))


def unbooked(scene: Scene, symbol: str) -> bool:
    """Whether the broker has made or changed an execution of it that is not in the book, told or not."""
    return any(True for _ in _unbooked(scene, symbol))


def _unbooked(scene: Scene, symbol: str) -> Iterator[str]:
    known = {row[0] for row in scene.rows("SELECT execution_id FROM book_fills WHERE symbol = ?", symbol)}
    for id_, fill in scene.venue.revisions.items():
        is_undone = fill.is_bust and reversal_of(fill.corrects[-1]) in known
        if fill.symbol == symbol and id_ not in known and not is_undone:
            yield id_


def _booked(scene: Scene) -> Iterator[tuple[sqlite3.Row, Fill | None]]:
    """What was booked since the look before, with the broker's word of it; what an operator has booked apart.

    What undoes an execution is the daemon's own, and judged by what stands after it.
    """
    for row in scene.news.fills:
        if row["purpose"] != Purpose.REVERSAL and not _is_by_operator(row["execution_id"]):
            yield row, scene.venue.revisions.get(row["execution_id"])


def _is_by_operator(execution_id: str) -> bool:
    return execution_id.startswith((*_CORRECTIONS, by_hand("")))


def standing_executions(scene: Scene) -> dict[str, None]:
    """Ids of the booked executions that count: neither undone, nor what undoes."""
    rows = scene.rows("SELECT execution_id, purpose FROM book_fills ORDER BY id")
    booked = {row["execution_id"]: row["purpose"] for row in rows}
    return dict.fromkeys(
        id_ for id_, purpose in booked.items() if purpose != Purpose.REVERSAL and reversal_of(id_) not in booked
    )


@invariant(11, When.SETTLED)
def every_commission_is_booked(scene: Scene) -> Iterator[str]:
    """Of every execution that counts, whenever it was told."""
    standing = standing_executions(scene)
    for row in scene.rows("SELECT execution_id, commission_micros FROM charged_fills"):
        fill = scene.venue.revisions.get(row["execution_id"]) if row["execution_id"] in standing else None
        if fill is not None and row["commission_micros"] != fill.commission_micros:
            yield f"{row['execution_id']} was charged {row['commission_micros']} micros, and should be as {fill}"


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
