"""`trader flatten` is a standing order: what comes to be held in its scope goes too, whenever it comes.

An entry may be filled before its cancel arrives, or a correction may give shares back that were sold. A halt that
flattens is a row of the book, so that this outlives a restart, and `trader resume` ends it.
"""

from trader.domain.decision import Close, Purpose
from trader.domain.exit_plan import ExitReason
from trader.services.execution import Execution
from trader.services.step import Step


def flatten(step: Step, execution: Execution) -> None:
    """Close what is held in the scope of a halt that flattens, and take back the entries that still work."""
    draft = step.draft
    for halt in [halt for halt in draft.halts.values() if halt.flattens]:
        for position in list(draft.positions.values()):
            if halt.covers(position.family, position.symbol):
                execution.close(step, Close(position.symbol, Purpose.MANUAL, ExitReason.MANUAL))
        for lock in list(draft.locks.values()):
            if halt.covers(lock.family, lock.symbol):
                execution.cancelling.ask(step, lock.order_ref, halt.reason)
