"""Orders: their states, what may work at the same time, and the story of each."""

from collections import Counter
from collections.abc import Iterator
from functools import cache

from invariants import CHECKS

from simulation.invariants.executions import alarmed, is_corrected, is_unbookable, spilled, unbooked, working
from simulation.invariants.ledger import asked
from simulation.invariants.registry import When, invariant
from simulation.scene import Scene
from trader.domain.decision import Side
from trader.domain.ledger import shares_held
from trader.domain.order import TRANSITIONS, Order, OrderState
from trader.domain.portfolio import Book

_ASKED_BACK = frozenset({OrderState.CANCELLING, OrderState.UNKNOWN})
"""What an order is after it was asked to be cancelled; one of unknown fate stays unknown."""
_GROUNDS = ("probability", "threshold", "seconds_to_cutoff", "price_micros", "equity_micros", "sized_by", "room_micros")
"""What every stage of the chain has measured, in the journal's word of an entry."""

_UNTOLD_ENTRIES = """
    SELECT order_ref FROM book_orders o WHERE purpose = 'entry' AND NOT EXISTS (
        SELECT 1 FROM book_signals s WHERE s.account = o.account AND s.id = o.signal_id
            AND s.outcome = 'ordered' AND s.order_ref = o.order_ref)"""
_LIVE_EXITS = """
    SELECT o.order_ref, o.symbol, o.quantity - o.filled AS remaining, coalesce(p.quantity, 0) AS held
    FROM book_orders o LEFT JOIN book_positions p ON p.account = o.account AND p.symbol = o.symbol
    WHERE o.side = 'SELL' AND o.purpose <> 'protection' AND o.state IN ('created', 'working', 'unknown')"""
_GROUNDLESS = f"""
    SELECT order_ref FROM book_orders WHERE order_ref NOT IN (
        SELECT json_extract(data, '$.order_ref') FROM book_events WHERE type = 'order_created'
            AND (json_extract(data, '$.purpose') <> 'entry'
                 OR ({" AND ".join(f"json_type(data, '$.{name}') IS NOT NULL" for name in _GROUNDS)})))"""  # noqa: S608


@invariant(14)
def an_order_only_moves_on(scene: Scene) -> Iterator[str]:
    """Along its table of states; it is never filled less than before, or beyond what was ordered."""
    before, book = scene.news.before, scene.book
    if before is None or before.orders is book.orders:
        return
    for ref, order in book.orders.items():
        was = before.orders.get(ref)
        if was is order:
            continue
        if not 0 <= order.filled <= order.quantity:
            yield f"{ref} is filled {order.filled} of {order.quantity}"
        if was is None:
            if ref in scene.news.gone:
                yield f"{ref} had ended and is {order.state} again"
        elif not _may_become(scene, was, order):
            yield f"{was} has become {order}"


@invariant(14)
def a_late_execution_is_an_alarm(scene: Scene) -> Iterator[str]:
    """One of an order that had ended is booked all the same, and a person is told."""
    for row in scene.news.fills:
        ref = row["order_ref"]
        is_late = ref in scene.news.gone and not _has_just_gone(scene, ref) and not is_corrected(row)
        if is_late and not alarmed(scene, ref):
            yield f"{row['execution_id']} was booked after its order had ended, without an alarm"


@invariant(14, When.CLOSE)
@invariant(14, When.DEATH)
def an_order_is_filled_by_its_executions(scene: Scene) -> Iterator[str]:
    """In the file; but for one that has sold what was not held any more, which could not be booked."""
    for row in scene.rows(CHECKS["an order is filled by its fills and not beyond"]):
        [(symbol,)] = scene.rows("SELECT symbol FROM book_orders WHERE order_ref = ?", row[0])
        if not is_unbookable(scene, symbol):
            yield f"order {row[0]} of {row[1]} is filled {row[2]}, and its executions are {row[3]}"


@invariant(15)
def one_live_opening_order_a_symbol(scene: Scene) -> Iterator[str]:
    """In memory; of unknown fate is live. Each has its lock."""
    book = scene.book
    if scene.news.before is not None and scene.news.before.orders is book.orders:
        return
    seen: set[str] = set()
    for order in book.orders.values():
        if order.side is Side.BUY:
            if order.symbol in seen:
                yield f"{order.symbol} has two live opening orders"
            if order.symbol not in book.locks:
                yield f"{order.symbol} has the live opening order {order.ref} and no lock"
            seen.add(order.symbol)


@invariant(15, When.CLOSE)
@invariant(15, When.DEATH)
def one_opening_order_and_lock_a_symbol(scene: Scene) -> Iterator[str]:
    """In the file."""
    yield from asked(
        scene,
        "one working opening order a symbol",
        "working opening orders and live locks belong to one another",
    )


@invariant(17)
def exits_ask_for_no_more_than_is_held(scene: Scene) -> Iterator[str]:
    """In memory: all live exits of a symbol together, but for those being cancelled: shares were taken back.

    Of protection each pair counts once, and what a working entry may still buy is protected before it is there.
    """
    before, book = scene.news.before, scene.book
    if before is not None and before.orders is book.orders and before.positions is book.positions:
        return
    asked_for, protected = Counter[str](), Counter[str]()
    for order in book.orders.values():
        is_asked_back = order.state in _ASKED_BACK or order.ref in scene.history.asked_back
        if order.is_own_exit and not is_asked_back:
            asked_for[order.symbol] += order.remaining
        if order.stop_micros is not None and not is_asked_back:
            protected[order.symbol] += order.remaining - _sold_by_its_target(book, order)
    for symbol in sorted({*asked_for, *protected}):
        held = shares_held(book.positions, symbol)
        live = [order for order in book.orders.values() if order.symbol == symbol]
        may_be_bought = sum(order.remaining for order in live if order.side is Side.BUY)
        if asked_for[symbol] > held:
            yield f"live exits ask for {asked_for[symbol]} of {held} {symbol}"
        if asked_for[symbol] + protected[symbol] > held + may_be_bought:
            yield f"stops ask for {protected[symbol]} of {held} {symbol}, and {may_be_bought} may still be bought"


def _sold_by_its_target(book: Book, stop: Order) -> int:
    pair = [order for order in book.orders.values() if order.oca == stop.oca and order.ref != stop.ref]
    return sum(order.filled for order in pair)


@invariant(17)
def exits_could_not_fill_beyond_what_the_broker_has(scene: Scene) -> Iterator[str]:
    """By the broker's truth, whenever one leaves: foreign shares are not ours to sell.

    Where an execution could not be booked, book and broker differ by it, and a person has been told.
    """
    venue = scene.venue
    for sent in scene.news.sent:
        if sent.side is not Side.SELL:
            continue
        exits = {order.ref: order for order in working(scene, sent.symbol, Side.SELL) if order.is_own_exit}
        exits.update({sent.ref: sent} if sent.is_own_exit else {})
        could_fill = sum(order.quantity - venue.filled(ref) for ref, order in exits.items() if ref not in venue.ended)
        could_fill += venue.protection_could_sell(sent.symbol) + _on_its_way(scene, sent)
        there = scene.ours(sent.symbol)
        if could_fill <= there or unbooked(scene, sent.symbol) or is_unbookable(scene, sent.symbol):
            continue
        yield f"exits of {could_fill} {sent.symbol} could fill, and {there} are there: {sorted(exits)}"


def _on_its_way(scene: Scene, sent: Order) -> int:
    """Shares of a pair of its own that has not come to the broker yet."""
    is_stop_alone = sent.stop_micros is not None and sent.oca == sent.ref
    return sent.quantity if is_stop_alone and sent.ref not in scene.venue.received else 0


@invariant(17)
def exits_ask_for_no_more_than_was_told(scene: Scene) -> Iterator[str]:
    """Of a symbol that differs: an exit that leaves is of no more shares than the broker says it has, true or not.

    The newest answer counts too: one that could not be written may have ended the difference before the exit was made.
    """
    wire = scene.host.wire if scene.host is not None else None
    answered = (wire.told.positions or {}) if wire is not None and wire.told is not None else {}
    for sent in scene.news.sent:
        drift = scene.book.drift.get(sent.symbol)
        if sent.side is not Side.SELL or drift is None:
            continue
        told = max(drift.broker, answered.get(sent.symbol, 0), 0)
        if sent.quantity > told:
            yield f"exit {sent.ref} asks for {sent.quantity} {sent.symbol}, and the broker says it has {told}"


@invariant(17, When.CLOSE)
@invariant(17, When.DEATH)
def live_exits_are_covered(scene: Scene) -> Iterator[str]:
    """In the file; what the broker takes back, or tells late, may leave one that is being cancelled."""
    yield from asked(scene, "an exit of our own and protection never live together")
    if len(scene.venue.revisions) == len(scene.venue.executions):
        for row in scene.rows(_LIVE_EXITS):
            if row["remaining"] > row["held"] and row["order_ref"] not in scene.history.asked_back:
                yield f"{row['order_ref']} asks for {row['remaining']} of {row['held']} {row['symbol']}"
        yield from asked(
            scene,
            "stops that are not being taken back do not exceed what is held and may still be bought",
        )


@invariant(20, When.CLOSE)
@invariant(20, When.DEATH)
def every_order_has_its_story(scene: Scene) -> Iterator[str]:
    """What the broker has received is in the book or the spill file, and the book says by which way it came there."""
    written = {row[0] for row in scene.rows("SELECT order_ref FROM book_orders")}
    missing = [ref for ref in scene.venue.received if ref not in written and ref not in scene.history.unwritten]
    waiting = spilled(scene) if missing else set()
    yield from (f"{ref} is at the broker and written nowhere" for ref in missing if ref not in waiting)
    yield from (f"entry {row[0]} has no signal that was ordered" for row in scene.rows(_UNTOLD_ENTRIES))
    yield from (f"order {row[0]} has no grounds in the journal" for row in scene.rows(_GROUNDLESS))
    yield from asked(scene, "no signal names an order that is not there")


def _has_just_gone(scene: Scene, order_ref: str) -> bool:
    """It was live at the look before: its last execution has ended it."""
    before = scene.news.before
    return before is not None and order_ref in before.orders


def _may_become(scene: Scene, was: Order, order: Order) -> bool:
    """It is the same but for what may change; filled less only where the broker has taken back an execution of it,
    also one that could not be booked."""
    identified = was if was.perm_id is not None else was._replace(perm_id=order.perm_id)
    is_same = identified == order._replace(state=was.state, filled=was.filled, updated_at=was.updated_at)
    return is_same and order.state in _reachable(was.state) and (order.filled >= was.filled or _is_undone(scene, order))


def _is_undone(scene: Scene, order: Order) -> bool:
    if any(row["order_ref"] == order.ref and is_corrected(row) for row in scene.news.fills):
        return True
    return any(fill.corrects and fill.order_ref == order.ref for fill in scene.venue.revisions.values())


@cache
def _reachable(state: OrderState) -> frozenset[OrderState]:
    """Every state that one step of the daemon may bring an order to: several things may have happened in it."""
    reached, ahead = {state}, [state]
    while ahead:
        for after in TRANSITIONS[ahead.pop()].values():
            if after not in reached:
                reached.add(after)
                ahead.append(after)
    return frozenset(reached)
