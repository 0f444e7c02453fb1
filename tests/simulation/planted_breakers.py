"""Breakers that do not hold, each by itself."""

from dataclasses import replace

from planting import Planted, put

from trader.adapters.sqlite.store import SqliteStore
from trader.domain.decision import Close
from trader.domain.portfolio import Book, Portfolio
from trader.services.execution import Execution
from trader.services.step import Step


def latches_are_forgotten() -> None:
    """A start takes no tripped breaker over."""
    load = SqliteStore.load

    async def without(self: SqliteStore) -> Book:
        return replace(await load(self), latches={})

    put(SqliteStore, "load", without)


def latches_bar_nothing() -> None:
    """A tripped breaker is in the book, and no decision asks for it."""
    put(Portfolio, "latch_for", lambda *_: None)


def latches_stop_exits() -> None:
    """What a tripped breaker refuses is whatever leaves, exits too."""
    close = Execution.close

    def barred(self: Execution, step: Step, asked: Close) -> None:
        if not step.draft.latches:
            close(self, step, asked)

    put(Execution, "close", barred)


BUGS: dict[str, Planted] = {
    "latches_are_forgotten": Planted(33, latches_are_forgotten, ("s0", "s1"), "a_halt_survives_a_restart"),
    "latches_bar_nothing": Planted(19, latches_bar_nothing, ("s0", "s1"), "nothing_opens_behind_a_closed_gate"),
    "latches_stop_exits": Planted(22, latches_stop_exits, ("s10",), "what_is_beyond_its_levels_goes"),
}
