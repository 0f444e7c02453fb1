"""Shares and cash: the book against its executions, and against the broker."""

from collections.abc import Iterator

from simulation.invariants.registry import When, invariant
from simulation.scene import Scene


@invariant(8, When.SETTLED)
def the_book_holds_what_the_broker_holds(scene: Scene) -> Iterator[str]:
    """At rest, in every symbol; foreign shares lie beside it."""
    venue = scene.venue
    held = {symbol: position.quantity for symbol, position in scene.book.positions.items()}
    for symbol in sorted({*held, *venue.positions}):
        there = venue.positions.get(symbol, 0) - venue.foreign[symbol]
        if held.get(symbol, 0) != there:
            yield f"{symbol}: the book holds {held.get(symbol, 0)}, the broker {there}"
