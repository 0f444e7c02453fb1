"""Executions that are told with what no execution can have: not booked, not forgotten.

Rule 1: such a report moves nothing. It is journaled as text, said once, and entries of its symbol are stopped: the
book lacks shares and cash that the broker has.
Rule 2: it counts as heard only as it was told. Told otherwise, in the broker's next answer or in a report of its own,
it is looked at anew. Told whole it is booked, and what it had stopped goes on: that is evidence, no person is needed.
"""

from typing import NamedTuple

from trader.domain.alarm import AlarmType
from trader.domain.events import JournalType
from trader.domain.market import plain_symbol
from trader.domain.order import Fill
from trader.domain.portfolio import Halt
from trader.domain.symbol import is_symbol
from trader.services.step import Level, Step


class _Told(NamedTuple):
    """How an execution was told last, of which it is not known what it has done."""

    symbol: str
    fault: str


class Unreadable:
    """Remembers what was told so, as far as its steps have happened."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._before: dict[str, _Told] = {}
        """The same when the step began."""

    def is_news(self, fill: Fill) -> bool:
        """Whether this report says anything that the last one did not."""
        before = self._told.get(fill.execution_id)
        return before is None or before.fault != fill.fault

    def hear(self, step: Step, fill: Fill) -> None:
        """Take in a report with a fault, in the draft of its step."""
        if not self.is_news(fill):
            return
        told = self._told[fill.execution_id] = _Told(fill.symbol, fill.fault)
        symbol, what = plain_symbol(fill.symbol), _reason(fill.execution_id, told)
        keep_as_text(step, fill)
        step.draft.alarm(AlarmType.EXECUTION_UNREADABLE, symbol, what)
        _bar(step, fill.execution_id, told)
        step.say(
            Level.ERROR,
            f"EXECUTION NOT READABLE {symbol}: {what}; entries of it are stopped until the broker tells it whole, and "
            f"it is asked again; compare it with TWS account={step.draft.account}",
        )

    def told_whole(self, step: Step, fill: Fill) -> None:
        """It is being booked, in the place of those that it corrects. Another one of its symbol goes on barring it."""
        ids = (fill.execution_id, *fill.corrects)
        for id_ in ids:
            self._told.pop(id_, None)
        reasons = tuple(_reason(id_) for id_ in ids)
        barred = [halt for halt in step.draft.halts.values() if halt.reason.startswith(reasons)]
        for halt in barred:
            step.draft.resume(halt.key, f"{fill.execution_id} was told whole")
            step.say(
                Level.WARNING,
                f"EXECUTION READABLE {fill.symbol}: {fill.execution_id} was told whole, and entries of it go on "
                f"account={step.draft.account}",
            )
        for id_, other in self._told.items():
            if barred and other.symbol == fill.symbol:
                _bar(step, id_, other)

    def happened(self) -> None:
        """The step is over: what it has heard is heard."""
        self._before = dict(self._told)

    def not_happened(self) -> None:
        """The step is thrown away, and with it what was heard in it."""
        self._told = dict(self._before)


def keep_as_text(step: Step, fill: Fill) -> None:
    """Journal an execution that moves nothing. As text: not even its numbers can be relied upon."""
    step.draft.note(
        JournalType.UNEXPECTED_FILL,
        plain_symbol(fill.symbol),
        execution_id=ascii(fill.execution_id)[1:-1],
        order_ref=ascii(fill.order_ref)[1:-1],
        reported=f"{fill.side} {fill.quantity} at {fill.price_micros} micros, commission {fill.commission_micros}",
    )


def _reason(execution_id: str, told: _Told | None = None) -> str:
    """Why entries are stopped; without what was told, its beginning: a run after this one knows it by that."""
    return f"execution {ascii(execution_id)[1:-1][:64]} cannot be booked: {told.fault if told is not None else ''}"


def _bar(step: Step, execution_id: str, told: _Told) -> None:
    scope, target = ("symbol", told.symbol) if is_symbol(told.symbol) else ("all", "")
    step.draft.halt(Halt(scope, target, _reason(execution_id, told), step.draft.now))
