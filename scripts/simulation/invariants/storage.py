"""The book that cannot be written, and the answer that is not whole: neither is taken for a yes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from simulation.invariants.registry import invariant
from simulation.scene import Scene
from trader.domain.decision import Rule, Side
from trader.domain.order import Order

_RESOLVED = """
    SELECT 1 FROM book_events WHERE type = 'order_state' AND symbol = ? AND json_extract(data, '$.order_ref') = ?
      AND json_extract(data, '$.reason') LIKE 'resolved by %'"""


@dataclass(slots=True)
class _Live:
    """Orders of the book at the look before, and those that it took for absent."""

    before: Mapping[str, Order] = field(default_factory=dict)
    absent: dict[str, Order] = field(default_factory=dict)


@invariant(35)
def no_entry_leaves_an_unwritable_book(scene: Scene) -> Iterator[str]:
    """Its own row is on the disk before it goes, and a write that failed has closed the gate."""
    assert scene.engine is not None  # noqa: S101
    for order in scene.news.sent:
        if order.side is not Side.BUY:
            continue
        if Rule.BOOK_UNWRITABLE in scene.engine.trading.gate.why:
            yield f"entry {order.ref} leaves while the book cannot be written"
        if not scene.rows("SELECT 1 FROM book_orders WHERE order_ref = ?", order.ref):
            yield f"entry {order.ref} has left and is not in the book"


@invariant(36)
def only_evidence_ends_an_order(scene: Scene) -> Iterator[str]:
    """What the book holds for ended has ended at the broker, or has never come there; or a person has said so."""
    live, venue = scene.in_run(_Live), scene.venue
    before, live.before = live.before, scene.book.orders
    if live.before is not before:
        for ref, order in before.items():
            if ref in live.before or ref in venue.ended:
                continue
            if ref not in venue.received:
                live.absent[ref] = order
            elif not _is_resolved(scene, order):
                yield f"order {ref} of {order.symbol} is ended in the book and works at the broker"
    for ref, order in live.absent.items():
        if ref in venue.received and ref not in venue.ended:
            yield f"order {ref} of {order.symbol} was taken for absent and works at the broker"


def _is_resolved(scene: Scene, order: Order) -> bool:
    return bool(
        scene.rows(_RESOLVED, order.symbol, order.ref)
        or scene.rows("SELECT 1 FROM book_fills WHERE execution_id = ?", f"resolved-{order.ref}")
    )
