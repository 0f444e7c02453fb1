"""Cash, as the broker tells it, against the ledger.

Rule 1: compared is a complete answer that tells cash, while no order of the account is live: a report may be on its
way. Protection that rests at the broker for as long as a position does is no such order. Nor is an answer compared
that something was booked beside.
Rule 2: a difference counts when two such answers in a row show it. It is kept in the book and said, once.
Rule 3: while it is more than `cash_tolerance`, no entry leaves. Evidence ends it, or a movement that an operator books;
never time.
"""

from collections.abc import Collection

from trader.domain.cash import CashDrift
from trader.domain.decision import Rule
from trader.domain.events import Evidence
from trader.services.draft import Draft
from trader.services.gate import Gate
from trader.services.step import Level, Step


class CashReconciliation:
    """Compares, and keeps the gate."""

    def __init__(self, gate: Gate, tolerance_micros: int) -> None:
        self._gate = gate
        self._tolerance_micros = tolerance_micros
        self._seen: CashDrift | None = None
        """What the last answer has shown, where that was a difference."""
        self._before: CashDrift | None = None
        """The same when the step began."""

    def hear(self, step: Step, evidence: Evidence, moved: Collection[str] = ()) -> None:
        """Take in one answer, after its executions and orders; `moved` are symbols that moved since it was asked."""
        is_moving = bool(moved) or any(not order.rests for order in step.draft.orders.values())
        if evidence.cash_micros is None or evidence.unknown or is_moving:
            return
        found = CashDrift(step.draft.cash_micros, evidence.cash_micros, step.draft.now)
        seen, self._seen = self._seen, None if found.is_none else found
        if found.is_none:
            self._agree(step)
        elif found.is_like(seen) and not found.is_like(step.draft.cash_drift):
            self._differ(step, found)

    def _agree(self, step: Step) -> None:
        if step.draft.cash_drift is not None:
            step.draft.cash_agrees(f"book and broker have {step.draft.cash_micros} micros")
            step.say(Level.WARNING, f"CASH AGREES again with the broker's account={step.draft.account}")

    def _differ(self, step: Step, found: CashDrift) -> None:
        is_much = self._is_much(found)
        step.draft.cash_differs(found, stops_entries=is_much)
        step.say(
            Level.ERROR if is_much else Level.WARNING,
            f"CASH DIFFERS: {found.what}; {'entries are stopped; ' if is_much else ''}{found.way_out} "
            f"account={step.draft.account}",
        )

    def guard(self, draft: Draft) -> None:
        """Close the gate while the book knows of too much of a difference, whichever run has found it."""
        drift = draft.cash_drift
        if drift is not None and self._is_much(drift):
            self._gate.close(Rule.CASH_DIFFERS, f"{drift.what}; {drift.way_out}")
        else:
            self._gate.open(Rule.CASH_DIFFERS)

    def _is_much(self, drift: CashDrift) -> bool:
        return abs(drift.difference_micros) > self._tolerance_micros

    def happened(self) -> None:
        """The step is over, and what its answers have shown counts."""
        self._before = self._seen

    def not_happened(self) -> None:
        """The step is thrown away, and the answer in it."""
        self._seen = self._before
