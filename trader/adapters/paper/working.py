"""One order at the paper broker, and what it may still fill."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from trader.domain.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """How one order is treated. The default is a good day."""

    reject: str = ""
    lose_acknowledgement: bool = False
    is_silent: bool = False
    """The order is taken, and nothing is said of that."""
    delay_bars: int = 0
    parts: tuple[int, ...] = ()
    """Shares filled at each bar; what is not named stays unfilled. Empty: everything at the first."""
    repeat_reports: int = 1
    """How often each execution is reported."""
    ignore_cancel: bool = False


Script = Callable[[Order], Treatment]


class Working:
    """Of a child its entry's fills count, too; of a group what the others in it have sold."""

    def __init__(self, order: Order, treatment: Treatment, entry: "Working | None") -> None:
        self.order = order
        self.treatment = treatment
        self.entry = entry
        """Of a child: the order that it was sent with."""
        self.bars_to_wait = treatment.delay_bars
        self.filled = 0
        self.executions = 0
        self.commission_micros = 0
        self.sold_by_others = 0
        self.begins_at = order.created_at
        """From the bar on that starts then; of a child when its entry has bought something."""
        self.is_triggered = False
        """Of a stop: it is a market order by now."""
        self.has_ended = False
        self.parts_left = list(treatment.parts)

    @property
    def left(self) -> int:
        """Shares that it may fill now."""
        bought = self.entry.filled if self.entry is not None else self.order.quantity
        return min(self.order.quantity, bought) - self.filled - self.sold_by_others

    @property
    def is_over(self) -> bool:
        """It will never have anything to fill again."""
        may_grow = self.entry is not None and not self.entry.has_ended and self.entry.left > 0
        return self.left <= 0 and not may_grow

    def works_at(self, starts_at: datetime) -> bool:
        """Whether a bar that starts then may fill it."""
        is_there = self.entry is None or (self.entry.filled > 0 and self.entry.begins_at <= starts_at)
        return is_there and self.begins_at <= starts_at and self.left > 0

    def next_part(self) -> int:
        """Shares the next bar fills; 0 when the script gives none any more."""
        if not self.treatment.parts:
            return self.left
        return min(self.parts_left.pop(0), self.left) if self.parts_left else 0
