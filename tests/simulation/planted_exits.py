"""Bugs around exits and the end of the day, for the invariants 22 to 26: in each some protection is taken away."""

from dataclasses import replace

from crashes.planted import exits_not_watched
from planting import Planted, put

from trader.domain import exit_plan
from trader.domain.decision import Close, Side
from trader.domain.events import JournalType
from trader.domain.portfolio import Book
from trader.domain.session import Phase, SessionDay
from trader.services import draft, exit_scanner
from trader.services.execution import Execution
from trader.services.market_day import MarketDay
from trader.services.step import Step


def levels_off_the_tick() -> None:
    """Levels are computed, and not rounded."""
    put(exit_plan, "tick_down", lambda price_micros, *_: price_micros + 1)


def exits_forgotten() -> None:
    """An exit of which a part was filled counts as done, and its position as sold out: the broker works on."""
    book = draft.Draft.book

    def hasty(self: draft.Draft) -> Book:
        after = book(self)
        sold = [fill.symbol for fill in (booking.fill for booking in self.commit.bookings) if fill.side is Side.SELL]
        gone = [order for order in after.exits.values() if order.symbol in sold]
        if not gone:
            return after
        return replace(
            after,
            orders={ref: order for ref, order in after.orders.items() if order not in gone},
            exits={symbol: order for symbol, order in after.exits.items() if order not in gone},
            positions={symbol: held for symbol, held in after.positions.items() if symbol not in sold},
            lots={symbol: lots for symbol, lots in after.lots.items() if symbol not in sold},
        )

    put(draft.Draft, "book", hasty)


def levels_are_only_kept() -> None:
    """Stop and target are computed, stored and watched, and nothing follows from their being touched."""
    put(exit_scanner, "touched", lambda *_: None)


def never_flattened() -> None:
    """The end of the session closes nothing."""
    put(exit_scanner, "closing_time", lambda *_: None)


def nobody_paged() -> None:
    """What is held at the end is held in silence."""
    never_flattened()
    put(MarketDay, "_page", lambda *_: None)


def phase_not_journaled() -> None:
    """A change of phase is noticed and not written."""

    def silent(self: MarketDay, step: Step, session: SessionDay | None, phase: Phase) -> None:
        self._phase = phase

    put(MarketDay, "_change", silent)


def closed_at_every_look() -> None:
    """Nobody asks whether a position is on its way out already."""
    close = Execution.close

    def eager(self: Execution, step: Step, asked: Close) -> None:
        if asked.symbol in step.draft.positions:
            step.draft.note(JournalType.POSITION_CLOSING, asked.symbol, purpose=asked.purpose, reason=asked.reason)
        close(self, step, asked)

    put(Execution, "close", eager)


BUGS: dict[str, Planted] = {
    "exits_not_watched": Planted(22, exits_not_watched, ("s0",), "what_is_held_is_watched"),
    "levels_are_only_kept": Planted(22, levels_are_only_kept, ("s0",), "what_is_beyond_its_levels_goes"),
    "levels_off_the_tick": Planted(23, levels_off_the_tick, ("s0",), "levels_lie_around_the_entry"),
    "exits_forgotten": Planted(24, exits_forgotten, ("s3",)),
    "never_flattened": Planted(25, never_flattened, ("s8",), "flat_when_nothing_hinders"),
    "nobody_paged": Planted(25, nobody_paged, ("s10",), "who_is_not_flat_is_paged"),
    "phase_not_journaled": Planted(26, phase_not_journaled, ("s0",), "each_session_has_its_flatten"),
    "closed_at_every_look": Planted(26, closed_at_every_look, ("s0",), "a_position_is_closed_once"),
}
