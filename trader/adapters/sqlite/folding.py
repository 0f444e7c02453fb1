"""From the journal, everything that follows from it: positions, lots, cash, orders, locks, halts.

Rule 1: the journal is what happened; the tables are what follows.
Rule 2: the fold has no opinion of its own: a fill goes through the domain's `book_fill` and `Order.after`.
Rule 3: an event that contradicts what came before it is a finding, and the fold goes on.

A bare acknowledgement (created -> working) is not journaled: an order does not wait for a commit to be accepted. So
the fold says `created` where the book may say `working`.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from trader.adapters.sqlite.journal import Event, Facts, Finding, read_journal
from trader.adapters.sqlite.rows import from_us
from trader.domain.decision import Purpose, Side
from trader.domain.errors import IllegalTransition
from trader.domain.events import JournalType
from trader.domain.exit_plan import ExitPlan
from trader.domain.family import Instrument
from trader.domain.ledger import Booked, Lot, Position, RoundTrip, book_fill
from trader.domain.order import Fill, Order, OrderEvent, OrderState, PendingLock
from trader.domain.portfolio import Halt
from trader.services.ports import Booking

_UNUSED_PLAN = ExitPlan(0, 0)
"""For a fill that leaves nothing to protect."""


class LockRow(NamedTuple):
    """A pending lock and, once it is released, when and on what evidence."""

    lock: PendingLock
    released_at: datetime | None = None
    evidence: str | None = None


class FillRow(NamedTuple):
    """One execution as the ledger booked it, and when."""

    booking: Booking
    booked_at: datetime


@dataclass(slots=True)
class Folded:
    """What follows from an account's journal."""

    account: str
    events: int = 0
    starting_cash_micros: int = 0
    cash_micros: int = 0
    positions: dict[str, Position] = field(default_factory=dict)
    """By symbol, flat ones too."""
    open_lots: dict[str, tuple[Lot, ...]] = field(default_factory=dict)
    lots: dict[str, Lot] = field(default_factory=dict)
    """By execution, used-up ones too."""
    orders: dict[str, Order] = field(default_factory=dict)
    locks: dict[str, LockRow] = field(default_factory=dict)
    """By order reference."""
    halts: dict[str, Halt] = field(default_factory=dict)
    fills: dict[str, FillRow] = field(default_factory=dict)
    round_trips: list[RoundTrip] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    """What is wrong with the journal itself."""


def fold(connection: sqlite3.Connection, account: str) -> Folded:
    """Read an account's journal from its first event, and say what follows from it."""
    folded = Folded(account)
    for event in read_journal(connection, account, folded.findings):
        folded.events += 1
        apply = _VERBS.get(event.type)
        if apply is None:
            continue
        try:
            apply(folded, event)
        except (ValueError, IllegalTransition) as error:
            folded.findings.append(
                Finding(f"event {event.seq}", f"journal, {event.type}", "follows from what came before", str(error))
            )
    if JournalType.ACCOUNT_OPENED not in folded.opened:
        pass
    return folded
