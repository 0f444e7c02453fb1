"""The exit plan: take-profit and stop of a position, part of its row and never apart from it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from trader.domain.market import Bar
from trader.domain.money import SHARE_TICKS, Ticks, part, tick_down, tick_micros, tick_up


class ExitReason(StrEnum):
    """Why a position is being closed."""

    STOP = "stop"
    TRAILING_STOP = "trailing_stop"
    TAKE_PROFIT = "take_profit"
    TIME_STOP = "time_stop"
    EXPIRY = "expiry"
    SIGNAL = "signal"
    RESIZE = "resize"
    TURN = "turn"
    CONFLICT_REPAIR = "conflict_repair"
    EOD = "eod"
    LEFT_OVERNIGHT = "left_overnight"
    MANUAL = "manual"
    BREAKER = "breaker"


class Levels(NamedTuple):
    """Where a stop and a target lie at the broker, in micros, on the tick grid."""

    stop_micros: int
    take_profit_micros: int


class ExitPlan(NamedTuple):
    """Levels in micros: initial_stop < entry < take_profit; initial_stop <= stop < take_profit."""

    entry_micros: int
    """Price of the execution that made the position non-zero."""
    initial_stop_micros: int
    stop_micros: int
    take_profit_micros: int

    @classmethod
    def around(cls, entry_micros: int, stop_micros: int, take_profit_micros: int) -> "ExitPlan":
        """The plan of a new position."""
        return cls(entry_micros, stop_micros, stop_micros, take_profit_micros)

    @property
    def levels(self) -> Levels:
        """Where orders at the broker would stand for it."""
        return Levels(tick_down(self.stop_micros), tick_up(self.take_profit_micros))

    def tightened(self, stop_micros: int) -> "ExitPlan":
        """The plan with a higher stop, below the target; the same plan when it would be lower."""
        stop_micros = min(stop_micros, self.take_profit_micros - 1)
        return self._replace(stop_micros=stop_micros) if stop_micros > self.stop_micros else self


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRule:
    """Distances from entry in ppm for leverage 1; a leveraged instrument moves, and is given, that many times as much.

    The defaults are two and three times an average true range of 0.7 %.
    """

    stop_ppm: int = 14_000
    take_profit_ppm: int = 21_000
    trailing_ppm: int = 0
    """How far the stop follows below the highest close; 0 is not at all."""
    time_stop_s: int = 0
    """How long a position may be held; 0 is until another exit ends it."""
    overnight: bool = False
    """Whether it may be held over the close, behind a stop that lives at the broker."""
    days_to_expiry: int = 0
    """An option goes when so few days are left to its expiry; 0 is on its last trading day, before the close."""
    ticks: Ticks = SHARE_TICKS
    """Where levels may lie."""

    def plan(self, entry_micros: int, leverage: int) -> ExitPlan:
        """Levels around an entry price, on the tick grid, rounded away from the entry."""
        scale = abs(leverage)
        stop = tick_down(entry_micros - part(entry_micros, self.stop_ppm * scale), self.ticks)
        target = tick_up(entry_micros + part(entry_micros, self.take_profit_ppm * scale), self.ticks)
        tick = tick_micros(entry_micros, self.ticks)
        return ExitPlan.around(entry_micros, min(stop, entry_micros - 1), max(target, entry_micros + tick))

    def trailing_stop_micros(self, price_micros: int, leverage: int) -> int:
        """Where the stop has to be at a price; 0 when it does not follow."""
        if not self.trailing_ppm:
            return 0
        return tick_down(price_micros - part(price_micros, self.trailing_ppm * abs(leverage)), self.ticks)


def exit_due(plan: ExitPlan, bar: Bar) -> ExitReason | None:
    """What a finished bar triggers. When it touched both levels the stop counts: which came first is not known."""
    if bar.low_micros <= plan.stop_micros:
        return ExitReason.TRAILING_STOP if plan.stop_micros > plan.initial_stop_micros else ExitReason.STOP
    if bar.high_micros >= plan.take_profit_micros:
        return ExitReason.TAKE_PROFIT
    return None
