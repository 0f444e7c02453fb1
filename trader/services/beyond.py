"""Shares that an execution has sold beyond what was held: they have moved their order, and stand in no ledger.

Rule 1: an execution moves its order once. Told anew by a later run, or replaced by a correction, it first takes back
what it has moved the order by, and is then booked like any other.
Rule 2: that is journaled with the order's state, execution by execution: a restart knows it as well.
"""

from collections.abc import Mapping

from trader.domain.events import JournalType
from trader.domain.order import Fill, Order, OrderEvent
from trader.services.ports import Excess
from trader.services.recent import Recent
from trader.services.step import Step


class Beyond:
    """Remembers, of the last days, which executions have moved their order by more than was booked of them."""

    def __init__(self, found: Mapping[str, Excess]) -> None:
        self._known = Recent(found)

    def moved_by(self, step: Step, fill: Fill) -> dict[str, Excess]:
        """What this execution, and those that it replaces, have moved their orders by and was not booked; by id."""
        asked = {id_: step.beyond.get(id_) or self._known.get(id_) for id_ in (fill.execution_id, *fill.corrects)}
        return {id_: excess for id_, excess in asked.items() if excess is not None and excess.shares}

    def take_back(self, step: Step, order: Order, execution_id: str, shares: int) -> None:
        """The order has these shares to do again; only the broker's word begins or ends it."""
        after = order.without(shares, step.draft.now)
        self._note(step, after, execution_id, 0, f"{shares} shares more than were held are told anew")

    def move_on(self, step: Step, order: Order, execution_id: str, shares: int) -> None:
        """The order has sold these shares, although nothing is booked of them."""
        event = OrderEvent.PARTLY_FILLED if order.remaining > shares else OrderEvent.FILLED
        after = order.after(event, step.draft.now, shares)
        self._note(step, after, execution_id, shares, f"{shares} shares more than were held")

    def happened(self, step: Step) -> None:
        """The step is over."""
        for execution_id, excess in step.beyond.items():
            self._known.add(execution_id, excess, step.draft.now)

    def _note(self, step: Step, after: Order, execution_id: str, beyond: int, reason: str) -> None:
        step.draft.set_order(after)
        step.beyond[execution_id] = Excess(after.ref, beyond)
        step.draft.note(
            JournalType.ORDER_STATE,
            after.symbol,
            order_ref=after.ref,
            state=after.state,
            filled=after.filled,
            execution_id=execution_id,
            beyond=beyond,
            reason=reason,
        )
