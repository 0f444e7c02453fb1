"""The wire between one life of the daemon and the broker: what is sent arrives later, twice, out of order or never.

It is the Broker port of that life. When the life is over nothing comes through any more, in either direction.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

from simulation.faults import Fault, Faults
from simulation.history import History
from simulation.venue import TOLD, Venue
from trader.domain.errors import BrokerUnreachable
from trader.domain.events import (
    EVIDENCE_PARTS,
    NO_EVIDENCE,
    BrokerEvent,
    EpochEnded,
    Evidence,
    FillReported,
    OrderAccepted,
    OrderCancelled,
)
from trader.domain.market import BarTime
from trader.domain.order import Order
from trader.services.ports import Clock

_USUAL_S = 0.002
_LATE_S = 0.6
_ORDER_LATE_S = 0.1
"""Virtual seconds; the market's are as many times longer as the feed's speed."""
_NOTHING = Evidence((), frozenset(), {}, {})
_TRUE_IN_A_ROW = 3
"""After an answer that was empty."""


class Wire:
    """One connection."""

    def __init__(
        self,
        venue: Venue,
        faults: Faults,
        history: History,
        emit: Callable[[BrokerEvent], None],
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.told: Evidence | None = None
        """The newest complete answer that has come through."""
        self.true_answers = 0
        """So many complete ones were true."""
        self._venue = venue
        self._faults = faults
        self._history = history
        self._emit = emit
        self._clock = clock
        self._loop = loop
        self._is_cut = False
        self._true_in_a_row = _TRUE_IN_A_ROW
        self._said = 0
        self._newest_heard = 0
        self._free_at = 0.0
        """What is told in order arrives no earlier."""
        self._heard: set[tuple[type[BrokerEvent], str]] = set()
        venue.say = self._carry

    @property
    def has_told_all(self) -> bool:
        """A complete answer has come through; who hears it cannot know whether it is true."""
        return self.told is not None

    def cut(self) -> None:
        """It is over."""
        self._is_cut = True
        self._venue.say = lambda _: None

    # the daemon's end: the Broker port

    def place(self, order: Order, protection: Sequence[Order] = ()) -> None:
        """Send an order, and its children with it."""
        self._send((order, *protection), lambda: self._venue.place(order, protection))

    def protect(self, pair: Sequence[Order]) -> None:
        """Send a stop and a target."""
        self._send(pair, lambda: self._venue.protect(pair))

    def _send(self, orders: Iterable[Order], arrive: Callable[[], None]) -> None:
        if self._is_cut:
            return
        for order in orders:
            self._history.placed(order)
        if self._faults.strikes(Fault.ORDER_LATE, 0.05):
            late_s = _ORDER_LATE_S * self._faults.chance(Fault.ORDER_LATE).random()
            self._loop.call_later(late_s, self._arrive, arrive)
        else:
            self._arrive(arrive)

    def _arrive(self, arrive: Callable[[], None]) -> None:
        if not self._is_cut:
            arrive()

    def cancel(self, order_ref: str) -> None:
        """Send a cancel."""
        if not self._is_cut:
            self._history.cancelled(order_ref)
            if not self._is_ignored(order_ref):
                self._venue.cancel(order_ref)

    def _is_ignored(self, order_ref: str) -> bool:
        """Of protection, which lives for as long as the position does, one cancel; of a day's order the venue all."""
        order = self._venue.received.get(order_ref)
        return order is not None and order.is_protection and self._faults.strikes(Fault.CANCEL_IGNORED, 0.05)

    def match(self, bar_time: BarTime) -> None:
        """The market shows the venue its bars itself: it goes on while no daemon lives."""

    async def evidence(self, order_refs: Collection[str]) -> Evidence:
        """Ask, and wait. What is told was true at some moment since."""
        await asyncio.sleep(self._transit_s())
        if self._faults.strikes(Fault.UNREACHABLE, 0.05):
            raise BrokerUnreachable("the simulated broker does not answer; wait")
        told = self._told(order_refs)
        if self._faults.strikes(Fault.ANSWER_STALE, 0.1):
            await asyncio.sleep(_LATE_S)
        else:
            await asyncio.sleep(self._transit_s())
        if self._faults.strikes(Fault.ANSWER_INCOMPLETE, 0.1):
            return told._replace(**{self._faults.chance(Fault.ANSWER_INCOMPLETE).choice(EVIDENCE_PARTS): None})
        if self._faults.strikes(Fault.ANSWER_EMPTY, 0.05):
            return NO_EVIDENCE
        self.told = self._emptied(told) or told
        return self.told

    def _emptied(self, told: Evidence) -> Evidence | None:
        """A broker that has just begun may hold nothing by its own word, or know nothing; the next ones are true."""
        if told.positions and self._true_in_a_row >= _TRUE_IN_A_ROW:
            for fault, empty in (
                (Fault.POSITIONS_EMPTY, told._replace(positions={})),
                (Fault.EVERYTHING_EMPTY, _NOTHING),
            ):
                if self._faults.strikes(fault, 0.05):
                    self._true_in_a_row = 0
                    return empty
        self._true_in_a_row += 1
        self.true_answers += 1
        return None

    def _told(self, order_refs: Collection[str]) -> Evidence:
        venue = self._venue
        ended = {ref: venue.ended[ref] for ref in sorted(order_refs) if ref in venue.ended}
        return Evidence(
            executions=venue.executions_since(self._clock.now() - TOLD),
            working=venue.working,
            ended=ended,
            positions=venue.positions,
        )

    # the broker's end

    def _carry(self, event: BrokerEvent) -> None:
        """Bring a report to the daemon, some time."""
        if self._is_cut or self._faults.strikes(Fault.REPORT_LOST, 0.03):
            return
        self._said += 1
        if self._faults.strikes(Fault.REPORT_LATE, 0.08):
            chance = self._faults.chance(Fault.REPORT_LATE)
            due = self._loop.time() + _LATE_S * chance.random() * chance.choice((1, 1, 6))
        else:
            due = self._free_at = max(self._free_at, self._loop.time() + self._transit_s())
        self._loop.call_at(due, self._deliver, self._said, event)
        if self._faults.strikes(Fault.REPORT_TWICE, 0.08):
            again = due + _LATE_S * self._faults.chance(Fault.REPORT_TWICE).random()
            self._loop.call_at(again, self._deliver, self._said, event)

    def _deliver(self, number: int, event: BrokerEvent) -> None:
        if self._is_cut:
            return
        self._notice_order(number, event)
        self._history.heard(event)
        self._emit(event)

    def _notice_order(self, number: int, event: BrokerEvent) -> None:
        if number < self._newest_heard:
            self._faults.seen(Fault.REPORTS_REORDERED)
        self._newest_heard = max(self._newest_heard, number)
        assert not isinstance(event, EpochEnded)  # noqa: S101  (the venue has no connection that could end)
        ref = event.fill.order_ref if isinstance(event, FillReported) else event.order_ref
        if isinstance(event, FillReported):
            if (OrderCancelled, ref) in self._heard:
                self._faults.seen(Fault.FILL_AFTER_CANCEL)
            if (OrderAccepted, ref) not in self._heard and ref in self._venue.received:
                self._faults.seen(Fault.FILL_BEFORE_ACKNOWLEDGEMENT)
        self._heard.add((type(event), ref))

    def _transit_s(self) -> float:
        return _USUAL_S * (1 + self._faults.chance(Fault.REPORT_LATE).random())
