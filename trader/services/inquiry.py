"""Inquiry: orders whose fate is asked of the broker. Evidence ends an unknown, or the operator; never time alone.

Rule 1: an execution is booked, whoever asked. An order that an answer shows as open is working.
Rule 2: an order that the broker says has ended is ended once the book has as many shares of it as the broker has.
Rule 3: an order that is in none of three complete answers, half a minute apart from first to last, does not exist, if
they would show it: they tell its whole life, and it was sent over an earlier connection; or the broker holds what the
book holds of its symbol, or what it held beside the book before the order was made. It is ended and never sent again.
Rule 4: an answer that is not complete proves nothing, and the counting begins anew.
Rule 5: an order that works in the book, and that two answers in a row do not show as open, is of unknown fate: the word
of its end was lost.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from trader.domain.decision import Side
from trader.domain.events import Ended, Evidence, EvidenceGiven, OrderAccepted, OrderCancelled, OrderLost, OrderRejected
from trader.domain.ledger import shares_held
from trader.domain.order import Fill, Order, OrderState
from trader.services.execution import Execution
from trader.services.settlement import Settlement
from trader.services.step import Step

_ANSWERS = 3
_APART = timedelta(seconds=30)


class _Absent(NamedTuple):
    """In how many complete answers an order was missing, and since when."""

    since: datetime
    answers: int


class Inquiry:
    """Remembers what the answers have shown, as far as their steps have happened."""

    def __init__(self, execution: Execution, settlement: Settlement) -> None:
        self._execution = execution
        self._settlement = settlement
        self._absent: dict[str, _Absent] = {}
        self._unseen: frozenset[str] = frozenset()
        """Orders that work in the book, and that the last answer did not show."""
        self._before = (dict(self._absent), self._unseen)

    def hear(self, step: Step, given: EvidenceGiven, *, is_first: bool) -> None:
        """Take in one answer. In a run's first one, an order that the broker does not show is of unknown fate."""
        self._settle(step, given.evidence.executions or ())
        for ref in given.asked:
            order = step.draft.orders.get(ref)
            if order is None:
                continue
            if is_first and not _is_shown(ref, given.evidence):
                if _is_succeeded(step, order):
                    self._execution.report(step, OrderCancelled(ref, "ended before the next exit was sent"))
                    continue
                self._doubt(step, order, "the broker does not show it")
                order = step.draft.orders[ref]
            self._follow(step, order, given.evidence)
        self._look_for_the_others(step, given)

    def _settle(self, step: Step, executions: Iterable[Fill]) -> None:
        """Those that sell more than is held come last: what was bought is among the others."""
        ahead = []
        for fill in executions:
            if self._settlement.runs_ahead(step, fill):
                ahead.append(fill)
            else:
                self._settlement.settle(step, fill)
        for fill in ahead:
            self._settlement.settle(step, fill)

    def _look_for_the_others(self, step: Step, given: EvidenceGiven) -> None:
        """One that is not shown may be on its way there, or its end on its way here: by the next answer it is not."""
        shown = given.evidence.working
        works = [order for order in step.draft.orders.values() if order.state is not OrderState.UNKNOWN]
        unseen = [order for order in works if shown is not None and order.ref not in shown]
        for order in unseen:
            if order.ref in self._unseen:
                self._doubt(step, order, "two answers of the broker do not show it as open")
        self._unseen = frozenset(order.ref for order in unseen) - self._unseen

    def _follow(self, step: Step, order: Order, evidence: Evidence) -> None:
        """One order that the book holds as live, in one answer."""
        absent = self._absent.pop(order.ref, _Absent(step.draft.now, 0))
        if evidence.working is not None and order.ref in evidence.working:
            if order.state in (OrderState.CREATED, OrderState.UNKNOWN):
                self._execution.report(step, OrderAccepted(order.ref))
        elif evidence.ended is not None and order.ref in evidence.ended:
            self._end(step, order, evidence.ended[order.ref])
        elif order.state is OrderState.UNKNOWN and _proves_absence(step, order, evidence):
            self._missing(step, order, absent)

    def _end(self, step: Step, order: Order, ended: Ended) -> None:
        if order.filled < ended.filled:
            self._doubt(step, order, f"ended with {ended.filled} shares filled, of which {order.filled} are booked")
            return
        how = OrderRejected if ended.rejected else OrderCancelled
        self._execution.report(step, how(order.ref, ended.reason))

    def _doubt(self, step: Step, order: Order, why: str) -> None:
        if order.state is not OrderState.UNKNOWN:
            self._execution.report(step, OrderLost(order.ref, why))

    def _missing(self, step: Step, order: Order, absent: _Absent) -> None:
        absent = absent._replace(answers=absent.answers + 1)
        if absent.answers >= _ANSWERS and step.draft.now - absent.since >= _APART:
            why = f"in none of {absent.answers} complete answers of the broker since {absent.since:%H:%M:%S} UTC"
            self._execution.report(step, OrderCancelled(order.ref, why))
        else:
            self._absent[order.ref] = absent

    def happened(self) -> None:
        """The step is over: what its answers have shown counts."""
        self._before = (dict(self._absent), self._unseen)

    def not_happened(self) -> None:
        """The step is thrown away, and with it what its answers have shown."""
        absent, self._unseen = self._before
        self._absent = dict(absent)


def _is_shown(ref: str, evidence: Evidence) -> bool:
    return ref in (evidence.working or ()) or ref in (evidence.ended or {})


def _is_succeeded(step: Step, order: Order) -> bool:
    """Whether it is a sale with a later exit in the slot: that was made when this one had ended."""
    in_slot = step.draft.exits.get(order.symbol)
    return order.side is Side.SELL and in_slot is not None and in_slot.ref != order.ref


def _proves_absence(step: Step, order: Order, evidence: Evidence) -> bool:
    """Not while a part is unknown; nor while the broker holds other shares, unless an execution would be told."""
    if evidence.unknown or evidence.positions is None:
        return False
    if _would_be_told(order, evidence):
        return True
    broker, drift = evidence.positions.get(order.symbol, 0), step.draft.drift.get(order.symbol)
    differed_before = drift is not None and drift.since <= order.created_at and drift.broker == broker
    return differed_before or broker == shares_held(step.draft.positions, order.symbol)


def _would_be_told(order: Order, evidence: Evidence) -> bool:
    """Whether an order that had arrived would be in the answer, open, ended or executed, whatever else was traded.

    Over the connection that has told this it may still be on its way.
    """
    began, since = evidence.epoch_began_at, evidence.told_since
    return began is not None and since is not None and since <= order.created_at < began
