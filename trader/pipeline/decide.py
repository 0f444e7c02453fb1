"""The whole chain on one screen: read this first.

    signal -> allocation -> conflict coordination -> session window -> safe sizing -> ticket

Pure, synchronous and total. No clock, no I/O, no await: `now` and a frozen portfolio come in as arguments, a "no" goes
out as a value. What only reduces leaves the chain before the gates: a close never waits for the session, cash, counts
or a halt.
"""

from dataclasses import dataclass
from datetime import datetime

from trader.domain.decision import Decision, ExitTicket, Outcome, Refusal, Signal
from trader.domain.family import Families
from trader.domain.market import Prices
from trader.domain.portfolio import Portfolio
from trader.domain.rules import Costs, Rules
from trader.domain.session import SessionDay
from trader.pipeline.allocate import allocate
from trader.pipeline.coordinate import coordinate
from trader.pipeline.session_window import admit
from trader.pipeline.size import Unchanged, resize, size


@dataclass(frozen=True, slots=True)
class Chain:
    """The parts of a decision that do not change from signal to signal."""

    families: Families
    rules: Rules
    costs: Costs

    def decide(
        self, signal: Signal, portfolio: Portfolio, prices: Prices, session: SessionDay | None, now: datetime
    ) -> Decision:
        """Push one signal through the chain."""
        allocation = allocate(signal, self.families, portfolio, prices, self.rules.thresholds)
        if isinstance(allocation, Refusal):
            return Decision(signal, Outcome.REFUSED, refusal=allocation)

        family = coordinate(allocation, self.families, portfolio, now)
        if family.intent is None:
            leaves = bool(family.closes or family.cancels)
            outcome = Outcome.CLOSING if leaves else Outcome.REFUSED if family.refusal else Outcome.UNCHANGED
            return Decision(signal, outcome, closes=family.closes, cancels=family.cancels, refusal=family.refusal)

        limits = self.rules.limits_of(family.intent.symbol)
        held_enough = resize(family.intent, portfolio, prices, limits)
        if isinstance(held_enough, Unchanged):
            return Decision(signal, Outcome.UNCHANGED)
        if isinstance(held_enough, ExitTicket):
            return Decision(signal, Outcome.CLOSING, reduction=held_enough)

        admitted = admit(family.intent, session, portfolio, self.rules, now)
        if isinstance(admitted, Refusal):
            return Decision(signal, Outcome.REFUSED, refusal=admitted)

        ticket = size(admitted, portfolio, prices, limits, self.costs, now)
        if isinstance(ticket, Refusal):
            return Decision(signal, Outcome.REFUSED, refusal=ticket)
        return Decision(signal, Outcome.ORDERED, ticket=ticket)
