"""What IB says about one order of ours, as events.

Rule 1: only the broker's status ends an order. An error makes its fate unknown; a notice is logged.
Rule 2: an end that says more shares than were told is no end: the order is of unknown fate, and the evidence decides.
Rule 3: an order that works again after its end has no owner any more: it is cancelled.
Rule 4: an entry whose last child is refused before it has set the entry off is cancelled: no list of IB shows it.
Rule 5: an end that nobody has asked for, and that no notice or error explains, is no end either: a stop that goes on
    working would stand beside its successor, and both could sell.
Rule 6: an order that is shown otherwise than it was sent is told, and so is one that an earlier run has sent.
"""

import asyncio
from collections.abc import Callable

from trader.adapters.ibkr.codes import Kind, kind_of, meaning_of
from trader.adapters.ibkr.executions import Executions
from trader.adapters.ibkr.messages import Failure, OpenOrder, Status
from trader.adapters.ibkr.tracking import Tracked
from trader.adapters.ibkr.translate import terms_of
from trader.domain.events import BrokerEvent, OrderAccepted, OrderCancelled, OrderLost, OrderShown
from trader.domain.terms import Terms
from trader.services.ports import Log

WORKING = frozenset({"PreSubmitted", "Submitted"})
_CANCELLED = frozenset({"Cancelled", "ApiCancelled"})
_CANCEL_NOTICE = 202


class Reports:
    """Tells the services, each thing once."""

    def __init__(
        self,
        executions: Executions,
        tell: Callable[[BrokerEvent], None],
        cancel: Callable[[str], None],
        log: Log,
        patience_s: float,
    ) -> None:
        """`patience_s`: how long an end, or the executions of one, may be behind what announces it."""
        self._executions = executions
        self._tell = tell
        self._cancel = cancel
        self._log = log
        self._patience_s = patience_s

    def status(self, tracked: Tracked, said: Status) -> None:
        """Take in where an order stands."""
        tracked.is_unanswered = False
        if said.status in WORKING:
            self._accepted(tracked)
        elif said.status in _CANCELLED:
            self._cancelled(tracked, said)
        elif said.status == "Filled":
            self._filled(tracked, said.filled)
        elif said.status == "Inactive":
            self._inactive(tracked, said)

    def open_order(self, tracked: Tracked, said: OpenOrder) -> None:
        """Take in an order as the broker has it; its end is said elsewhere."""
        tracked.is_unanswered = False
        if said.status in WORKING:
            self._accepted(tracked)
        self._shown(tracked, terms_of(said))

    def failure(self, tracked: Tracked, failure: Failure) -> None:
        """Take in an error or notice that names an order."""
        tracked.is_unanswered = False
        kind = kind_of(failure.code)
        if kind in (Kind.NOTICE, Kind.FARM) or tracked.is_ended or tracked.is_filled:
            self._once(tracked, f"{tracked.ref} {failure}")
            return
        if failure.code == _CANCEL_NOTICE:
            self._noticed(tracked, failure)
            return
        tracked.last_error = str(failure)
        if tracked.sets_off:
            self._once(tracked, f"{tracked.ref} {failure}: {tracked.sets_off}, which it was to set off, is cancelled")
            self._cancel(tracked.sets_off)
        meaning = meaning_of(failure.code)
        self._lost(tracked, f"{failure} ({meaning})" if meaning else str(failure))

    def _shown(self, tracked: Tracked, terms: Terms) -> None:
        known = tracked.shown
        if known is None and tracked.order is not None:
            known = Terms.of(tracked.order)
        if terms != known:
            tracked.shown = terms
            self._tell(OrderShown(tracked.ref, terms))

    def _accepted(self, tracked: Tracked) -> None:
        if tracked.is_ended:
            self._once(tracked, f"{tracked.ref} WORKS AGAIN after its end was told; it is cancelled")
            self._cancel(tracked.ref)
            return
        tracked.unexplained = None
        if not tracked.is_accepted:
            tracked.is_accepted, tracked.sets_off = True, ""
            self._tell(OrderAccepted(tracked.ref))

    def _cancelled(self, tracked: Tracked, said: Status) -> None:
        if tracked.is_ended:
            return
        heard = self._executions.filled(tracked.ref)
        if not said.filled <= heard:  # also where it is no number
            self._lost(tracked, f"{said.status} with {said.filled:g} shares filled, of which {heard} were told")
            return
        tracked.cancelled.add(said.perm_id)
        others = tracked.perm_ids - tracked.cancelled
        if others and said.perm_id:
            self._lost(tracked, f"{said.status} at the broker, which has another order under it ({min(others)})")
            return
        if tracked.is_cancel_due or tracked.last_error:
            self._ended(tracked, said)
        elif tracked.unexplained is None:
            tracked.unexplained = said
            self._later(self._look_for_explanation, tracked, said)

    def _ended(self, tracked: Tracked, said: Status) -> None:
        tracked.is_ended = True
        after = f" after {tracked.last_error}" if tracked.last_error else ""
        self._tell(OrderCancelled(tracked.ref, f"{said.status} at the broker{after}"))

    def _noticed(self, tracked: Tracked, failure: Failure) -> None:
        """It comes after the status, or before it."""
        tracked.is_cancel_due = True
        if tracked.unexplained is not None:
            self._ended(tracked, tracked.unexplained)
        else:
            self._later(self._look_for_end, tracked, str(failure))

    def _look_for_explanation(self, tracked: Tracked, said: Status) -> None:
        if tracked.unexplained is said and not tracked.is_ended:
            self._lost(tracked, f"{said.status} at the broker, which nobody has asked for and nothing explains")

    def _inactive(self, tracked: Tracked, said: Status) -> None:
        """Refused, killed, or waiting for shares to borrow: one word for all of them."""
        if "locate" in said.why_held:
            self._once(tracked, f"{tracked.ref} waits at the broker for shares to borrow")
            self._accepted(tracked)
        elif not tracked.is_ended:
            after = f" after {tracked.last_error}" if tracked.last_error else ""
            self._lost(tracked, f"Inactive at the broker{after}")

    def _filled(self, tracked: Tracked, filled: float) -> None:
        """The executions say the same, or will in a moment."""
        tracked.is_filled = self._executions.filled(tracked.ref) >= filled
        if not tracked.is_filled:
            self._later(self._look_for_executions, tracked, filled)

    def _look_for_executions(self, tracked: Tracked, filled: float) -> None:
        heard = self._executions.filled(tracked.ref)
        tracked.is_filled = heard >= filled
        if not tracked.is_filled:
            self._lost(tracked, f"Filled with {filled:g} shares, of which {heard} were told")

    def _look_for_end(self, tracked: Tracked, why: str) -> None:
        if not (tracked.is_ended or tracked.is_filled):
            self._lost(tracked, f"{why}, and no status has said so")

    def _lost(self, tracked: Tracked, why: str) -> None:
        tracked.is_accepted = False
        self._tell(OrderLost(tracked.ref, why))

    def _once(self, tracked: Tracked, sentence: str) -> None:
        if sentence not in tracked.said:
            tracked.said.add(sentence)
            self._log.warning(sentence)

    def _later(self, look: Callable[..., None], *given: object) -> None:
        asyncio.get_running_loop().call_later(self._patience_s, look, *given)
