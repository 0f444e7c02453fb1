"""Everything that keeps entries back at the moment, in one list: what the metrics, the terminal and the pages show.

What keeps entries back in a way of its own is added here, and is seen everywhere.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from trader.app.breakers_list import BreakerRow
from trader.domain.breaker import latch_key
from trader.domain.portfolio import Halt

if TYPE_CHECKING:  # who only reads what a daemon tells needs none
    from trader.services.engine import Engine

GATE, HALT, LATCH = "gate", "halt", "latch"


class Barrier(NamedTuple):
    """One of them. A `gate` opens by itself when its cause is over; a `halt`, and a breaker's `latch`, when a person
    resumes.
    """

    kind: str
    name: str
    """The rule that keeps the gate closed, or the key: `all`, `family:QQQ`, `day_loss`, `price_jump:AAPL`."""
    why: str


def barriers_of(engine: "Engine") -> list[Barrier]:
    """As the running daemon has them."""
    closed = [Barrier(GATE, rule, why) for rule, why in engine.trading.gate.closed.items()]
    latched = [Barrier(LATCH, latch.key, latch.cause) for latch in engine.book.latches.values()]
    return [*closed, *_halted(engine.book.halts.values()), *latched]


def _halted(halts: Iterable[Halt]) -> list[Barrier]:
    return [Barrier(HALT, halt.key, halt.reason) for halt in halts]


def read_barriers(told: object, halts: Iterable[Halt], tripped: Iterable[BreakerRow]) -> list[Barrier]:
    """What a daemon has told, checked; without one, or from one of another version, what the book knows."""
    rows = told if isinstance(told, list) else None
    if rows is None or not all(isinstance(row, Mapping) for row in rows):
        latched = [
            Barrier(LATCH, latch_key(str(row["breaker"]), str(row["target"])), str(row["cause"])) for row in tripped
        ]
        return [*_halted(halts), *latched]
    return [Barrier(*(str(row.get(name, "")) for name in Barrier._fields)) for row in rows]
