"""Cancelling: entries that are unwanted, late, or stand before an exit are asked back; only the broker ends them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from trader.domain.events import JournalType
from trader.domain.order import OrderEvent, OrderState, PendingLock
from trader.services.step import Step

_ASKED = frozenset({OrderState.CANCELLING, OrderState.UNKNOWN})
"""What an order is after it was asked to be cancelled; one of unknown fate stays unknown."""
_PATIENCE = timedelta(seconds=10)


class _Asked(NamedTuple):
    """When an order was asked to be cancelled."""

    first: datetime
    last: datetime


class Cancelling:
    """Remembers what was asked, and when."""

    def __init__(self, entry_timeout: timedelta) -> None:
        self._timeout = entry_timeout
        self._asked: dict[str, _Asked] = {}
        self._next: dict[str, str] = {}
        """Orders that are unwanted before they have left, with the reason."""
        self._before: dict[str, str] = {}
        """The same when the step began."""

    def ask(self, step: Step, order_ref: str, why: str) -> None:
        """Ask once for a working entry to be cancelled, and once more after a restart: the first may not have left."""
        order = step.draft.orders.get(order_ref)
        if order is None or order_ref in step.cancel:
            return
        if order_ref in step.draft.unsent:
            self._next[order_ref] = why  # not sent yet: there is nothing the broker could cancel
            return
        asked = self._asked.get(order_ref)
        if asked is not None and (order.state in _ASKED or abs(step.draft.now - asked.last) < _PATIENCE):
            return
        self._asked[order_ref] = _Asked(asked.first if asked else step.draft.now, step.draft.now)
        after = order.after(OrderEvent.CANCEL_ASKED, step.draft.now)
        step.draft.set_order(after)
        step.draft.note(JournalType.ORDER_STATE, order.symbol, order_ref=order_ref, state=after.state, reason=why)
        step.cancel.append(order_ref)

    def ask_unwanted(self, step: Step) -> None:
        """Orders that were unwanted before they had left are taken back now."""
        unwanted, self._next = self._next, {}
        self._before = unwanted
        for order_ref, why in sorted(unwanted.items()):
            self.ask(step, order_ref, why)

    def ask_late_entries(self, step: Step) -> None:
        """An entry that is not done in time is taken back; what was filled stays.

        Judged when time is told (a bar, a tick): whatever the broker reported before that has been heard by then.
        """
        deadline = step.draft.now - self._timeout
        for lock in list(step.draft.locks.values()):
            if lock.acquired_at <= deadline:
                self.ask(step, lock.order_ref, f"not done in {self._timeout.total_seconds():.0f} s")

    def ask_entries(self, step: Step, why: str) -> None:
        """Ask for every working entry to be cancelled."""
        for lock in list(step.draft.locks.values()):
            self.ask(step, lock.order_ref, why)

    def in_front(self, step: Step, symbol: str) -> PendingLock | None:
        """The working entry that has to be cancelled before the exit; a cancel that nobody answers holds up none."""
        lock = step.draft.locks.get(symbol)
        asked = self._asked.get(lock.order_ref) if lock is not None else None
        overdue = asked is not None and step.draft.now - asked.first >= _PATIENCE
        return None if overdue else lock

    def asked_since(self, order_ref: str) -> datetime | None:
        """When an order was asked first; None where nobody remembers."""
        asked = self._asked.get(order_ref)
        return asked.first if asked is not None else None

    def forget(self, order_refs: Iterable[str]) -> None:
        """Orders that have ended, or were asked in a step that has not happened: their cancels count as not asked."""
        for order_ref in order_refs:
            self._asked.pop(order_ref, None)

    def not_happened(self) -> None:
        """What a step that has not happened was to cancel next is still to be cancelled next."""
        self._next = self._before
