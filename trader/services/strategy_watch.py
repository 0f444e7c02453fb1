"""Watching a strategy that runs in a process of its own: late is refused, and three times late in a day disables it.

A disabled strategy is under a halt of its name: in the book, until `trader resume --strategy NAME`.
"""

from datetime import date

from trader.domain.decision import Refusal, Rule, Signal, Stage
from trader.domain.events import StrategySilent
from trader.domain.portfolio import Halt, scope_of_strategy
from trader.domain.session import new_york_date
from trader.services.draft import Draft
from trader.services.step import Level, Step

_TIMES_LATE = 3
_ALL_BARS = "?"
"""The symbol of what was not said of any symbol."""


class StrategyWatch:
    """Of one strategy."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._key = scope_of_strategy(name)
        self._late: tuple[date, ...] = ()
        """The New York dates on which it was late, of the newest such date only."""
        self._late_after_step: tuple[date, ...] = ()

    def refusal(self, draft: Draft, signal: Signal) -> Refusal | None:
        """The "no" that a signal of a disabled strategy gets."""
        halt = draft.halts.get(self._key)
        if halt is None:
            return None
        return Refusal(Stage.SIGNAL, Rule.HALTED, signal.symbol, detail=f"{halt.key}: {halt.reason}")

    def miss(self, step: Step, silent: StrategySilent) -> tuple[Signal, Refusal]:
        """Bars were not answered: what to keep of that, in the place of a signal."""
        is_late = silent.waited_s is not None
        if is_late:
            self._count(step, silent)
        rule = Rule.STRATEGY_LATE if is_late else Rule.STRATEGY_ENDED
        detail = f"{silent.why} (bars that ended {silent.ends_at:%H:%M:%S} UTC)"
        step.say(Level.WARNING, f"STRATEGY {self._name} {rule}: {detail} account={step.draft.account}")
        placeholder = Signal(_ALL_BARS, float("nan"), silent.ends_at, source=self._name)
        return placeholder, Refusal(Stage.SIGNAL, rule, _ALL_BARS, silent.waited_s, silent.limit_s, detail)

    def _count(self, step: Step, silent: StrategySilent) -> None:
        draft = step.draft
        today = new_york_date(draft.now)
        times = (*(day for day in self._late_after_step if day == today), today)
        self._late_after_step = times
        if len(times) < _TIMES_LATE or self._key in draft.halts:
            return
        self._late_after_step = ()
        reason = f"late {len(times)} times on {today}, the last time {silent.why}"
        draft.halt(Halt("strategy", self._name, reason, draft.now))
        step.say(
            Level.ERROR,
            f"STRATEGY {self._name} DISABLED: {reason}; exits go on; `trader resume --strategy {self._name} --reason "
            f"...` account={draft.account}",
        )

    def happened(self) -> None:
        """The step is over: what it counted counts."""
        self._late = self._late_after_step

    def not_happened(self) -> None:
        """The step is thrown away, with what it counted."""
        self._late_after_step = self._late
