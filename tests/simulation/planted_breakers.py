"""Breakers that do not hold, each by itself."""

from dataclasses import replace

from planting import Planted, put

from trader.adapters.sqlite.store import SqliteStore
from trader.domain.portfolio import Book, Portfolio


def latches_are_forgotten() -> None:
    """A start takes no tripped breaker over."""
    load = SqliteStore.load

    async def without(self: SqliteStore) -> Book:
        return replace(await load(self), latches={})

    put(SqliteStore, "load", without)


def latches_bar_nothing() -> None:
    """A tripped breaker is in the book, and no decision asks for it."""
    put(Portfolio, "latch_for", lambda *_: None)


BUGS: dict[str, Planted] = {
    "latches_are_forgotten": Planted(33, latches_are_forgotten, ("s0", "s1"), "a_halt_survives_a_restart"),
    "latches_bar_nothing": Planted(19, latches_bar_nothing, ("s0", "s1"), "nothing_opens_behind_a_closed_gate"),
}
