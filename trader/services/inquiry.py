"""Inquiry: orders of unknown fate. Evidence ends the unknown, or the operator; never time alone.

Rule 1: an order that a complete answer shows as working is working again; what it has executed is booked as reported.
Rule 2: an order that is in none of three complete answers, half a minute apart from first to last, while the broker
holds what the book holds of its symbol, does not exist. It is ended and never sent again.
Rule 3: an answer that is not complete proves nothing, and the counting begins anew.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from trader.domain.events import EvidenceGiven, OrderAccepted, OrderCancelled
from trader.domain.ledger import shares_held
from trader.domain.order import OrderState
from trader.services.execution import Execution
from trader.services.step import Step

_ANSWERS = 3
_APART = timedelta(seconds=30)


class _Absent(NamedTuple):
    """In how many complete answers an order was missing, and since when."""

    since: datetime
    answers: int


class Inquiry:
    """Remembers what the answers have shown."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._absent: dict[str, _Absent] = {}

    def hear(self, step: Step, given: EvidenceGiven) -> None:
        """Take in one answer."""
        evidence = given.evidence
        if evidence is None:
            self._absent.clear()
            return
        for ref in given.asked:
            order = step.draft.orders.get(ref)
            if order is None or order.state is not OrderState.UNKNOWN:
                self._absent.pop(ref, None)
            elif ref in evidence.working:
                self._absent.pop(ref, None)
                self._execution.report(step, OrderAccepted(ref))
            elif evidence.positions.get(order.symbol, 0) != shares_held(step.draft.positions, order.symbol):
                self._absent.pop(ref, None)  # it may have been executed: its execution has to come first
            else:
                self._missing(step, ref)

    def _missing(self, step: Step, ref: str) -> None:
        absent = self._absent.get(ref, _Absent(step.draft.now, 0))
        absent = self._absent[ref] = absent._replace(answers=absent.answers + 1)
        if absent.answers >= _ANSWERS and step.draft.now - absent.since >= _APART:
            del self._absent[ref]
            why = f"in none of {absent.answers} complete answers of the broker since {absent.since:%H:%M:%S} UTC"
            self._execution.report(step, OrderCancelled(ref, why))
