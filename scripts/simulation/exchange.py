"""Where orders are filled: the paper broker on days on which some are filled late, in parts, or never to their end.

Each of these strikes at the bar that would have filled the order: one that is cancelled before has seen none of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from simulation.faults import Fault, Faults
from trader.adapters.paper.broker import PaperBroker, Script
from trader.adapters.paper.working import Working
from trader.domain.events import BrokerEvent
from trader.domain.rules import Costs


@dataclass(slots=True)
class _Course:
    """Of one order that a bar could fill."""

    bars_to_wait: int
    is_at_its_end: bool = False
    """Nothing more of it is ever filled."""


class Exchange(PaperBroker):
    """Fills as the faults say."""

    def __init__(self, emit: Callable[[BrokerEvent], None], costs: Costs, script: Script, faults: Faults) -> None:
        super().__init__(emit, costs, script=script)
        self._faults = faults
        self._courses: dict[str, _Course] = {}

    def _execute(self, working: Working, level_micros: int, price_micros: int, at: datetime) -> None:
        working.parts_left = [self._part(working)]
        super()._execute(working, level_micros, price_micros, at)

    def _part(self, working: Working) -> int:
        """Shares that this bar fills."""
        ref, left = working.order.ref, working.left
        course = self._courses.get(ref)
        if course is None:
            course = self._courses[ref] = _Course(self._bars_late())
        if course.bars_to_wait:
            course.bars_to_wait -= 1
            return 0
        if not working.filled:
            return self._first_part(course, left)
        course.is_at_its_end = course.is_at_its_end or self._faults.strikes(Fault.REST_UNFILLED, 0.3)
        return 0 if course.is_at_its_end else left

    def _bars_late(self) -> int:
        is_late = self._faults.strikes(Fault.SLOW_FILL, 0.12)
        return 1 + self._faults.chance(Fault.SLOW_FILL).randrange(6) if is_late else 0

    def _first_part(self, course: _Course, quantity: int) -> int:
        if quantity < 2 or not self._faults.strikes(Fault.PARTIAL_FILL, 0.2):
            return quantity
        chance = self._faults.chance(Fault.PARTIAL_FILL)
        course.bars_to_wait = chance.randrange(3)
        return chance.randint(1, quantity - 1)
