"""`trader flatten` is a standing order, and so is a tripped breaker that flattens: what comes to be held in its scope
goes too, whenever it comes.

An entry may be filled before its cancel arrives, or a correction may give shares back that were sold. Both
are rows of the book, so that this outlives a restart, and `trader resume` ends it.
"""

from collections.abc import Callable

from trader.domain.decision import Close, Purpose
from trader.domain.exit_plan import ExitReason
from trader.services.execution import Execution
from trader.services.step import Step


def flatten(step: Step, execution: Execution) -> None:
    """Close what is held in the scope of a halt or latch that flattens, and take back the entries that still work."""
    draft = step.draft
    for halt in [halt for halt in draft.halts.values() if halt.flattens]:
        _close_what(step, execution, halt.covers, ExitReason.MANUAL, halt.reason)
    for latch in [latch for latch in draft.latches.values() if latch.flattens]:
        _close_what(step, execution, latch.covers, ExitReason.BREAKER, f"{latch.key}: {latch.cause}")


def _close_what(
    step: Step, execution: Execution, covers: Callable[[str, str], bool], reason: ExitReason, why: str
) -> None:
    for position in list(step.draft.positions.values()):
        if covers(position.family, position.symbol):
            execution.close(step, Close(position.symbol, Purpose.MANUAL, reason))
    for lock in list(step.draft.locks.values()):
        if covers(lock.family, lock.symbol):
            execution.cancelling.ask(step, lock.order_ref, why)
