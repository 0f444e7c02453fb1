"""The exit plan: take-profit and stop of a position, part of its row and never apart from it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from trader.domain.market import Bar
from trader.domain.money import part, tick_down, tick_micros, tick_up


class ExitReason(StrEnum):
    """Why a position is being closed."""

    STOP = "stop"
    TAKE_PROFIT = "take_profit"
    SIGNAL = "signal"
    RESIZE = "resize"
    TURN = "turn"
    CONFLICT_REPAIR = "conflict_repair"
    EOD = "eod"
    LEFT_OVERNIGHT = "left_overnight"
    MANUAL = "manual"


class ExitPlan(NamedTuple):
    """Levels in micros; stop < entry < take_profit when it is made."""

    stop_micros: int
    take_profit_micros: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRule:
    """Distances from entry in ppm for leverage 1; a leveraged instrument moves, and is given, that many times as much.

    The defaults are two and three times an average true range of 0.7 %.
    """

    stop_ppm: int = 14_000
    take_profit_ppm: int = 21_000

    def plan(self, entry_micros: int, leverage: int) -> ExitPlan:
        """Levels around an entry price, on the tick grid, rounded away from the entry."""
        scale = abs(leverage)
        stop = tick_down(entry_micros - part(entry_micros, self.stop_ppm * scale))
        target = tick_up(entry_micros + part(entry_micros, self.take_profit_ppm * scale))
        tick = tick_micros(entry_micros)
        return ExitPlan(min(stop, entry_micros - 1), max(target, entry_micros + tick))


def exit_due(plan: ExitPlan, bar: Bar) -> ExitReason | None:
    """What a finished bar triggers. When it touched both levels the stop counts: which came first is not known."""
    if bar.low_micros <= plan.stop_micros:
        return ExitReason.STOP
    if bar.high_micros >= plan.take_profit_micros:
        return ExitReason.TAKE_PROFIT
    return None
