"""What runs beside what lies on the disk: a fix that was written and is not running is worse than none.

Rule 1: while the two differ, no entry leaves, unless that is set otherwise. Exits go on.
Rule 2: it is said when it is found, and when it has ended; and it stands in every heartbeat and in `status`.
"""

from trader.domain.decision import Rule
from trader.domain.events import Event, JournalType, VersionCompared
from trader.services.gate import Gate
from trader.services.step import Level, Step


class VersionGuard:
    """Keeps the gate, and says when it closes and opens."""

    def __init__(self, gate: Gate, *, stops_entries: bool) -> None:
        self._gate = gate
        self._stops_entries = stops_entries
        self.differs = ""
        """What is another on the disk than what runs, in words."""
        self._before = ""
        """The same when the step began."""

    def look(self, step: Step, event: Event) -> None:
        """Take over what was found."""
        if not isinstance(event, VersionCompared):
            return
        if event.differs and self._stops_entries:
            self._gate.close(Rule.VERSION_DIFFERS, f"{event.differs}; ./START_TRADER.sh --restart")
        else:
            self._gate.open(Rule.VERSION_DIFFERS)
        if event.differs != self.differs:
            self.differs = event.differs
            self._tell(step)

    def _tell(self, step: Step) -> None:
        account = f"account={step.draft.account}"
        if not self.differs:
            step.draft.note(JournalType.VERSION_AGREES)
            step.say(Level.WARNING, f"VERSION AGREES again: what runs is what is on disk {account}")
            return
        step.draft.note(JournalType.VERSION_DIFFERS, what=self.differs, stops_entries=self._stops_entries)
        entries = "no entry leaves, exits go on" if self._stops_entries else "entries go on, as it is set"
        step.say(
            Level.ERROR,
            f"VERSION DIFFERS: WHAT RUNS IS NOT WHAT IS ON DISK: {self.differs}; {entries}; ./START_TRADER.sh "
            f"--restart {account}",
        )

    def happened(self) -> None:
        """The step is over, and what was told in it is told."""
        self._before = self.differs

    def not_happened(self) -> None:
        """The step is thrown away: the gate stands as it is, and it is told again."""
        self.differs = self._before
