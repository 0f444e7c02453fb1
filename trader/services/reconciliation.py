"""Reconciliation: what the broker says it holds, against the ledger. Where they differ, nothing is assumed.

Rule 1: until the first complete answer of an epoch, no entry leaves. A run begins one, and so does each connection.
Rule 2: shares that the broker has and the book has not are *foreign*: listed, left alone, never sold, their family
barred from entries; taken into the book only by `trader adopt`.
Rule 3: shares that the book has and the broker's positions lack are *missing*: their family is barred, and exits ask
for no more than the broker has, for a sell beyond that would open a short; exits do not wait for a complete answer, and
neither does this. An execution that is found, or `trader adjust`, ends it; never time.
Rule 4: after the first answer a difference counts when two answers in a row show it and no order of the symbol works:
a report may be on its way. Protection that rests at the broker for as long as the position does is no such order.
Rule 5: an answer says nothing of a symbol of which anything was booked since the question: nobody knows which of the
two was first.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from trader.domain.decision import Rule
from trader.domain.events import Evidence, JournalType
from trader.domain.ledger import shares_held
from trader.domain.portfolio import Drift
from trader.services.draft import Draft
from trader.services.gate import Gate
from trader.services.step import Level, Step


class Reconciliation:
    """Compares, and keeps what differs in the book."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._heard = False
        """A complete answer of this epoch was heard."""
        self._reconciled = False
        """The same when the step began."""
        self._seen: dict[str, int] | None = None
        """Symbol -> what the broker had in the last answer, where that is not what the book has; None before one."""
        self._before: dict[str, int] | None = None
        """The same when the step began."""
        self._untold = False
        """That the epoch has ended."""
        self.reconciled_at: datetime | None = None
        """When this run has last compared what the broker holds."""
        self._compared_at: datetime | None = None
        """The same, in the step of the moment."""
        self._written_at: datetime | None = None
        """The same, as the book has it."""
        self._questions = 0
        self._booked_after: dict[str, int] = {}
        """Symbol -> how many questions had been asked when an execution of it was booked last."""
        gate.close(Rule.UNRECONCILED, "the broker has not been asked yet")

    @property
    def is_first(self) -> bool:
        """Whether no complete answer of this epoch has been heard."""
        return not self._reconciled

    def is_open(self, known: Mapping[str, Drift]) -> bool:
        """Whether another answer is needed at once: none was complete, or the last one showed a difference that is not
        known. One that stays as it is will not go by being asked about."""
        seen = self._seen or {}
        return self.is_first or any(symbol not in known or known[symbol].broker != seen[symbol] for symbol in seen)

    def ask(self) -> int:
        """The number of a question that is asked now."""
        self._questions += 1
        return self._questions

    def moved_since(self, draft: Draft, question: int | None) -> set[str]:
        """Symbols of which anything was booked since a question was asked, so far in this step as well."""
        if question is None:
            return set()
        moved = {symbol for symbol, asked in self._booked_after.items() if asked >= question}
        return moved | {booking.fill.symbol for booking in draft.commit.bookings}

    def begin_anew(self, step: Step, reason: str) -> None:
        """The epoch has ended. At once, and also if the step is thrown away: nothing is known for certain any more."""
        self._untold = self._untold or self._heard
        if self._untold:
            step.draft.note(JournalType.EPOCH_ENDED, reason=reason)
            step.say(
                Level.ERROR,
                f"EPOCH ENDED: {reason}; no entry leaves until the broker has told everything anew, exits go on "
                f"account={step.draft.account}",
            )
        self._reconciled = self._heard = False
        self._seen = self._before = None
        self._gate.close(Rule.UNRECONCILED, reason)

    def hear(self, step: Step, evidence: Evidence, moved: Collection[str] = ()) -> None:
        """Take in one answer, after its executions and orders; `moved` are symbols that moved since it was asked."""
        opens = self.is_first and not evidence.unknown and not moved
        if self.is_first and not opens:
            told = f"the broker does not tell its {', '.join(evidence.unknown)}" if evidence.unknown else ""
            self._gate.close(Rule.UNRECONCILED, told or f"{', '.join(sorted(moved))} moved while the broker was asked")
        if evidence.positions is None:
            return
        self._compared_at = step.draft.commit.reconciled_at = step.draft.now
        if opens and not self._heard:
            self._heard = True
            step.draft.note(JournalType.RECONCILED)
        at_once = opens or self._seen is None
        in_motion = set() if at_once else {order.symbol for order in step.draft.orders.values() if not order.rests}
        in_motion |= set(moved)
        seen, self._seen = self._seen or {}, {}
        for symbol in sorted({*step.draft.positions, *evidence.positions, *step.draft.drift} - in_motion):
            book, broker = shares_held(step.draft.positions, symbol), evidence.positions.get(symbol, 0)
            if book == broker:
                self._agree(step, symbol, book)
                continue
            self._seen[symbol] = broker
            may_be_unbooked = broker > book and self.is_first and not opens
            if not may_be_unbooked and (at_once or seen.get(symbol) == broker):
                self._differ(step, symbol, book, broker)

    def _agree(self, step: Step, symbol: str, shares: int) -> None:
        if symbol in step.draft.drift:
            self._end(step, symbol, f"book and broker have {shares}")

    def _differ(self, step: Step, symbol: str, book: int, broker: int) -> None:
        known = step.draft.drift.get(symbol)
        if known is None or (known.book, known.broker) != (book, broker):
            self._begin(step, Drift(symbol, book, broker, step.draft.now))

    def _begin(self, step: Step, drift: Drift) -> None:
        draft = step.draft
        draft.drifted(drift)
        draft.note(JournalType.DRIFT_FOUND, drift.symbol, book=drift.book, broker=drift.broker)
        step.say(
            Level.ERROR,
            f"DRIFT {drift.symbol} book {drift.book} broker {drift.broker}: {drift.what}, entries of its family "
            f"are stopped; {drift.way_out} account={draft.account}",
        )

    def _end(self, step: Step, symbol: str, why: str) -> None:
        step.draft.reconciled(symbol, why)
        step.say(Level.WARNING, f"DRIFT ENDED {symbol}: {why} account={step.draft.account}")

    def carry(self, draft: Draft) -> None:
        """The time of the last comparison goes with whatever is committed next: it is worth no commit of its own."""
        if self.reconciled_at != self._written_at:
            draft.commit.reconciled_at = self.reconciled_at

    def committed(self, draft: Draft) -> None:
        """The book has it."""
        self._booked_after.update((booking.fill.symbol, self._questions) for booking in draft.commit.bookings)
        self._written_at = draft.commit.reconciled_at or self._written_at

    def happened(self) -> None:
        """The step is over: a complete answer in it has opened the gate."""
        self.reconciled_at = self._compared_at
        self._before, self._reconciled, self._untold = self._seen, self._heard, False
        if self._reconciled:
            self._gate.open(Rule.UNRECONCILED)

    def not_happened(self) -> None:
        """The step is thrown away, and the answer in it."""
        self._heard, self._seen = self._reconciled, self._before
        self._compared_at = self.reconciled_at
