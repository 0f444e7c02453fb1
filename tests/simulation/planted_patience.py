"""Bugs of waiting too long, and of not waiting for a second print: each is looked for by its own check."""

from collections.abc import Callable

from planting import Planted, put
from simulation.faults import Fault
from simulation.world import Outcome, World

from trader.domain.market import Prices
from trader.services import exit_scanner
from trader.services.cancelling import Cancelling
from trader.services.execution import Execution
from trader.services.exit_scanner import ExitScanner


def silence_is_borne() -> None:
    """An order that nobody answers is waited for."""
    put(Execution, "doubt_unanswered", lambda *_: None)


def entries_work_for_ever() -> None:
    """One that does not get done is not asked back."""
    put(Cancelling, "ask_late_entries", lambda *_: None)


def no_time_stop() -> None:
    """A position may be held for as long as the session."""
    put(exit_scanner, "held_too_long", lambda *_: None)


def stops_stay_where_they_were() -> None:
    """No stop follows its price."""
    put(ExitScanner, "_follow", lambda *_: None)


def one_print_is_enough() -> None:
    """A price that has jumped is a price; there are more of them than chance has."""
    put(Prices, "jump_ppm", lambda *_: 0)
    run = World.run

    def jumpy(self: World) -> Outcome:
        self._faults.eagerness[Fault.PRICE_SPIKE] = 10.0
        return run(self)

    put(World, "run", jumpy)


def _narrowed(number: int, check: str, plant: Callable[[], None], *seeds: str) -> Planted:
    return Planted(number, plant, seeds, check)


BUGS: dict[str, Planted] = {
    bug.check: bug
    for bug in (
        _narrowed(36, "who_does_not_answer_is_doubted", silence_is_borne, "s7", "s9"),
        _narrowed(19, "an_entry_that_is_not_done_is_taken_back", entries_work_for_ever, "s13"),
        _narrowed(22, "a_position_has_its_time", no_time_stop, "s8"),
        _narrowed(23, "a_trailing_stop_follows", stops_stay_where_they_were, "s0"),
        _narrowed(19, "nothing_opens_on_a_price_that_has_jumped", one_print_is_enough, "s4", "s10"),
    )
}
"""By the check that sees it."""
