"""Limits that nobody keeps any more, each by itself, for the invariant 16."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from planting import Planted, put

from trader.domain.decision import Refusal, Rule
from trader.domain.portfolio import Portfolio
from trader.domain.rules import Limits
from trader.pipeline import size

_NONE = 10**12


def _no_count(**limits: int) -> None:
    """Among what is counted one limit is none."""
    refusal = size._count_refusal

    def without(symbol: str, portfolio: Portfolio, kept: Limits, *, opens: bool) -> Refusal | None:
        return refusal(symbol, portfolio, replace(kept, **limits), opens=opens)

    put(size, "_count_refusal", without)


def _no_room(rule: Rule) -> None:
    """The size is cut down by all limits but one."""
    rooms = size._rooms

    def without(*given: object) -> tuple[tuple[int, Rule, int, int], ...]:
        return tuple(room for room in rooms(*given) if size._Room(*room).rule is not rule)  # type: ignore[arg-type]

    put(size, "_rooms", without)


def _planted(plant: Callable[[], None], check: str, *seeds: str) -> Planted:
    return Planted(16, plant, seeds, check)


_AT_ONCE, _OF_THE_DAY = "limits_hold_when_an_entry_leaves", "limits_of_the_day_hold_when_an_entry_leaves"
_OF_A_MINUTE = "entries_of_a_minute_are_counted"

BUGS: dict[str, Planted] = {
    "no_limit_of_an_order": _planted(partial(_no_room, Rule.ORDER_NOTIONAL), _AT_ONCE, "s8"),
    "no_limit_of_everything": _planted(partial(_no_room, Rule.GROSS_EXPOSURE), _AT_ONCE, "s1"),
    "no_limit_of_a_family": _planted(partial(_no_room, Rule.FAMILY_EXPOSURE), _AT_ONCE, "s0"),
    "no_reserve_of_cash": _planted(partial(_no_room, Rule.CASH_RESERVE), _AT_ONCE, "s9"),
    "no_limit_of_positions": _planted(partial(_no_count, open_positions=_NONE), _AT_ONCE, "s8"),
    "no_limit_of_openings_a_day": _planted(partial(_no_count, openings_per_day=_NONE), _OF_THE_DAY, "s7"),
    "no_limit_of_what_a_day_may_cost": _planted(partial(_no_room, Rule.DAILY_NOTIONAL), _OF_THE_DAY, "s0"),
    "no_limit_of_the_loss_of_a_day": _planted(partial(_no_count, day_loss_ppm=_NONE), _OF_THE_DAY, "s19"),
    "no_limit_of_entries_a_minute": _planted(partial(_no_count, orders_per_minute=_NONE), _OF_A_MINUTE, "s9"),
}
