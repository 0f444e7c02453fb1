"""What a broker can tell no more: executions of a day that was over before it was heard again.

A broker tells the executions of its day, and a day ends. What was executed while nobody listened and is asked for only
afterwards is in no answer. Positions and cash show that something has happened, not what: a person is told, and
nothing is made up.
"""

from datetime import datetime, timedelta

from trader.domain.events import Evidence, JournalType
from trader.domain.session import Calendar, new_york_date
from trader.services.step import Level, Step


class Untold:
    """Remembers until when everything was told."""

    def __init__(self, calendar: Calendar, told_until: datetime | None) -> None:
        """`told_until`: when the run before ended; None where there was none."""
        self._calendar = calendar
        self._told_until = told_until
        self._before = told_until

    def hear(self, step: Step, evidence: Evidence) -> None:
        """Take in one answer; say what lies between it and the last one, where the exchange was open then."""
        if evidence.unknown:
            return
        until, since = self._told_until, evidence.told_since
        self._told_until = step.draft.now
        if until is None or since is None or not self._was_open(until, since):
            return
        step.draft.note(JournalType.EXECUTIONS_UNTOLD, after=until.isoformat(), before=since.isoformat())
        step.say(
            Level.ERROR,
            f"EXECUTIONS UNTOLD between {until:%Y-%m-%d %H:%M} and {since:%Y-%m-%d %H:%M} UTC: the broker tells them "
            f"no more; compare its statement, `trader reconcile` shows shares and cash that differ "
            f"account={step.draft.account}",
        )

    def _was_open(self, after: datetime, before: datetime) -> bool:
        """Whether a session lies, in part, between two instants."""
        day, last = new_york_date(after), new_york_date(before)
        while day <= last:
            session = self._calendar.session(day)
            if session is not None and session.opens_at < before and session.closes_at > after:
                return True
            day += timedelta(days=1)
        return False

    def happened(self) -> None:
        """The step is over: what it has heard is heard."""
        self._before = self._told_until

    def not_happened(self) -> None:
        """The step is thrown away: it is said again."""
        self._told_until = self._before
