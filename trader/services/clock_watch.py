"""The broker's clock beside ours: what is decided by a wrong clock is decided at the wrong time.

Rule 1: while the two differ by more than `LARGEST_SKEW`, no entry leaves. Exits go on.
Rule 2: it is told with every tick, so that a clock that was set is seen at once; and it ends by itself.
Rule 3: by how much they differ is said anew only when that has changed by more than IB tells it exactly: the refusals
of a minute say the same.
"""

from datetime import timedelta

from trader.domain.decision import Rule
from trader.domain.events import Event, JournalType, Tick
from trader.domain.rules import LARGEST_SKEW
from trader.services.gate import Gate
from trader.services.step import Level, Step

_SHARP = timedelta(seconds=0.5)
"""IB tells whole seconds."""


class ClockWatch:
    """Keeps the gate, and says when it closes and opens."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._told = False
        """That the clocks differ."""
        self._before = False
        """The same when the step began."""
        self._said: timedelta | None = None
        """By how much, as the gate says it; None while they agree."""
        self._newest: timedelta | None = None
        """What was measured last."""

    def look(self, step: Step, event: Event) -> None:
        """Compare, where an event tells of the broker's clock."""
        if not isinstance(event, Tick) or event.skew is None:
            return
        self._newest = event.skew
        if abs(event.skew) <= LARGEST_SKEW:
            self._said = None
            self._gate.open(Rule.CLOCK_DIFFERS)
        elif self._said is None or abs(event.skew - self._said) > _SHARP:
            self._said, step.heeded = event.skew, True
            self._gate.close(Rule.CLOCK_DIFFERS, f"{_in_words(event.skew)}; timedatectl set-ntp true")

    def guard(self, step: Step) -> None:
        """Tell it in the first step that can be written, before anything is decided in it."""
        if self._newest is not None and (abs(self._newest) > LARGEST_SKEW) is not self._told:
            self._told = not self._told
            self._tell(step, self._newest)

    def _tell(self, step: Step, skew: timedelta) -> None:
        type_ = JournalType.CLOCK_DIFFERS if self._told else JournalType.CLOCK_AGREES
        step.draft.note(type_, skew_s=round(skew.total_seconds(), 1))
        if self._told:
            what = f"CLOCK DIFFERS: {_in_words(skew)}; no entry leaves, exits go on; timedatectl set-ntp true"
        else:
            what = f"CLOCK AGREES again: {_in_words(skew)}"
        step.say(Level.ERROR if self._told else Level.WARNING, f"{what} account={step.draft.account}")

    def happened(self) -> None:
        """The step is over, and what was told in it is told."""
        self._before = self._told

    def not_happened(self) -> None:
        """The step is thrown away: the gate stands as it is, and it is told again."""
        self._told = self._before


def _in_words(skew: timedelta) -> str:
    return f"the broker's clock is {skew.total_seconds():+.1f} s beside this host's"
