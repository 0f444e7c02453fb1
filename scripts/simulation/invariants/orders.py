"""Orders: what may work at the same time, and what may be sent at all."""

from collections.abc import Iterator

from simulation.invariants.registry import invariant
from simulation.scene import Scene
from trader.domain.decision import Side


@invariant(15)
def one_live_opening_order_a_symbol(scene: Scene) -> Iterator[str]:
    """In memory; the database has an index for it."""
    seen: set[str] = set()
    for order in scene.book.orders.values():
        if order.side is Side.BUY:
            if order.symbol in seen:
                yield f"{order.symbol} has two live opening orders"
            seen.add(order.symbol)
