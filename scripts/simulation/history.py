"""What was sent, heard, booked and said, in order: the trace of a run, and what the history checker judges.

The trace is a hash over all of it. Two runs with the same one have done the same.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trader.domain.decision import Side
from trader.domain.events import BrokerEvent, FillReported
from trader.domain.order import Fill, Order
from trader.domain.reference import reference_number


class What(StrEnum):
    """Kinds of entries."""

    BEGAN = "began"
    PLACED = "placed"
    CANCELLED = "cancel sent"
    HEARD = "heard"
    EXECUTED = "executed at the broker"
    BOOKED = "booked"
    WRITTEN = "written"
    CHORE = "chore done"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened between a daemon and its world."""

    life: int
    at_s: float
    """Virtual seconds since the life began."""
    what: What
    subject: str
    """An order's reference, a symbol, or how a life ended."""
    value: object = None


class History:
    """Of one run, through all lives."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.orders: dict[str, Order] = {}
        """Every order that was sent, by reference."""
        self.sent: Counter[str] = Counter()
        """How often each reference was."""
        self.told: set[str] = set()
        """Ids of the executions whose report has arrived."""
        self.unwritten: set[str] = set()
        """Exits that had to leave though neither the book nor the spill file took them."""
        self.asked_back: set[str] = set()
        """Orders that the broker was asked to cancel, whether or not it does."""
        self.highest_before = 0
        """The highest number of a reference that an earlier life has sent."""
        self._highest = 0
        self._hash = hashlib.blake2b(digest_size=16)
        self._life = 0
        self._now_s: Callable[[], float] = lambda: 0.0
        self._folder = ""

    @property
    def trace(self) -> str:
        """The hash of everything so far."""
        return self._hash.hexdigest()

    def begin(self, life: int, now_s: Callable[[], float], folder: str) -> None:
        """A life begins, on files in a folder whose name is chance."""
        self._life, self._now_s, self._folder = life, now_s, folder
        self.highest_before = self._highest
        self._add(What.BEGAN, str(life))

    def end(self, how: str) -> None:
        """It is over."""
        self._add(What.ENDED, how)

    def placed(self, order: Order) -> None:
        """An order leaves the daemon."""
        self.orders[order.ref] = order
        self.sent[order.ref] += 1
        if order.ref not in self.unwritten:
            self._highest = max(self._highest, reference_number(order.ref))
        self._add(What.PLACED, order.ref, (order.symbol, order.side is Side.BUY, order.quantity))

    def not_written(self, order_ref: str) -> None:
        """Nothing has taken an exit that leaves all the same."""
        self.unwritten.add(order_ref)

    def cancelled(self, order_ref: str) -> None:
        """A cancel leaves the daemon."""
        self.asked_back.add(order_ref)
        self._add(What.CANCELLED, order_ref)

    def heard(self, event: BrokerEvent) -> None:
        """A report arrives."""
        if isinstance(event, FillReported):
            self.told.add(event.fill.execution_id)
        self._add(What.HEARD, type(event).__name__, event)

    def booked(self, symbol: str, quantity: int) -> None:
        """The ledger holds so many shares from now on."""
        self._add(What.BOOKED, symbol, quantity)

    def executed(self, fill: Fill) -> None:
        """The broker executes, whoever hears of it."""
        self._add(What.EXECUTED, fill.execution_id, fill)

    def written(self, fills: Iterable[Sequence[object]]) -> None:
        """A life has left a file with these executions: id, symbol, side, quantity."""
        self._add(What.WRITTEN, "", tuple(tuple(fill) for fill in fills))

    def chore(self, name: str, at: datetime) -> None:
        """A daily chore has its turn, at a time of the wall."""
        self._add(What.CHORE, name, at)

    def said(self, line: str) -> None:
        """The log says something; it counts for the trace only."""
        self._hash.update(line.replace(self._folder, "").encode())

    def _add(self, what: What, subject: str, value: object = None) -> None:
        entry = Entry(self._life, self._now_s(), what, subject, value)
        self.entries.append(entry)
        self._hash.update(repr(entry).encode())
