"""Everything that keeps entries back at the moment, in one list: what the metrics, the terminal and the pages show.

What keeps entries back in a way of its own is added here, and is seen everywhere.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from trader.domain.portfolio import Halt

if TYPE_CHECKING:  # who only reads what a daemon tells needs none
    from trader.services.engine import Engine

GATE, HALT = "gate", "halt"


class Barrier(NamedTuple):
    """One of them. `gate` opens by itself when its cause is over, `halt` when a person resumes."""

    kind: str
    name: str
    """The rule that keeps the gate closed, or the halt's key: `all`, `family:QQQ`."""
    why: str


def barriers_of(engine: "Engine") -> list[Barrier]:
    """As the running daemon has them."""
    closed = [Barrier(GATE, rule, why) for rule, why in engine.trading.gate.closed.items()]
    return [*closed, *barriers_of_halts(engine.book.halts.values())]


def barriers_of_halts(halts: Iterable[Halt]) -> list[Barrier]:
    """As a book has them."""
    return [Barrier(HALT, halt.key, halt.reason) for halt in halts]


def read_barriers(told: object, halts: Iterable[Halt]) -> list[Barrier]:
    """What a daemon has told, checked; without one, or from one of another version, what the book knows."""
    rows = told if isinstance(told, list) else None
    if rows is None or not all(isinstance(row, Mapping) for row in rows):
        return barriers_of_halts(halts)
    return [Barrier(*(str(row.get(name, "")) for name in Barrier._fields)) for row in rows]
