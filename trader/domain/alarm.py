"""Alarms: what a person should know of.

Repeats of one type about one subject are one alarm, as long as they come within an hour of each other: it is counted,
and told again after 1, 5, 15 and then every 60 minutes.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

SPELL = timedelta(hours=1)
"""What is quiet for longer than this, and comes again, is another alarm."""

_TOLD_AGAIN_MIN = (1, 5, 15, 60)
_LONGEST_TEXT = 500


class Severity(StrEnum):
    """How bad it is, the least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """For comparing two."""
        return list(Severity).index(self)


class Telling(StrEnum):
    """How a type of alarm is told. Its rows are kept in each case."""

    ON = "on"
    """At once."""
    SILENT = "silent"
    """By the digest of the day."""
    OFF = "off"


class AlarmType(StrEnum):
    """What an alarm is about; in capitals it is what the log says."""

    EXITS_NOT_WATCHED = "exits_not_watched"
    EXIT_SCAN_OVERDUE = "exit_scan_overdue"
    EXIT_NOT_DONE = "exit_not_done"
    EXIT_NOT_SENT = "exit_not_sent"
    PROTECTION_NOT_DONE = "protection_not_done"
    NOT_PROTECTED = "not_protected"
    NOT_FLAT = "not_flat"
    HELD_WHILE_CLOSED = "held_while_closed"
    LEFT_OVERNIGHT = "left_overnight"
    UNEXPECTED_EXECUTION = "unexpected_execution"
    EXECUTION_UNREADABLE = "execution_unreadable"
    CONTRADICTION = "contradiction"
    CONFLICT = "conflict"
    DRIFT = "drift"
    CASH_DIFFERS = "cash_differs"
    CLOCK_DIFFERS = "clock_differs"
    IDENTITY_BROKEN = "identity_broken"
    CHANGED_AT_BROKER = "changed_at_broker"
    NOT_LISTED = "not_listed"
    CREATION_RATE = "creation_rate"
    """In books of earlier versions; now it is a breaker."""
    BREAKER = "breaker"
    VERSION_DIFFERS = "version_differs"
    EXECUTIONS_UNTOLD = "executions_untold"
    ORDER_UNKNOWN = "order_unknown"
    IMPOSSIBLE_REPORT = "impossible_report"
    BROKER_DOWN = "broker_down"
    EPOCH_ENDED = "epoch_ended"
    BAR_LEFT_OUT = "bar_left_out"
    BOOK_UNWRITABLE = "book_unwritable"
    CHORE_FAILED = "chore_failed"
    AUDIT = "audit"
    AUDIT_GONE = "audit_gone"
    """What the audit had found is not there any more; it is about the key of the finding."""
    WORK_STOPPED = "work_stopped"
    HALTED = "halted"
    RESUMED = "resumed"
    STARTED = "started"
    STOPPED = "stopped"
    FAILED = "failed"
    DAY_CLOSED = "day_closed"
    WORKS_AGAIN = "works_again"
    TEST = "test"


_WARNINGS = frozenset(
    {
        AlarmType.NOT_PROTECTED,
        AlarmType.CASH_DIFFERS,
        AlarmType.EXECUTIONS_UNTOLD,
        AlarmType.ORDER_UNKNOWN,
        AlarmType.IMPOSSIBLE_REPORT,
        AlarmType.EPOCH_ENDED,
        AlarmType.BAR_LEFT_OUT,
        AlarmType.CHORE_FAILED,
        AlarmType.HALTED,
    }
)
_NEWS = frozenset(
    {
        AlarmType.AUDIT_GONE,
        AlarmType.RESUMED,
        AlarmType.STARTED,
        AlarmType.STOPPED,
        AlarmType.DAY_CLOSED,
        AlarmType.WORKS_AGAIN,
    }
)
"""What is in neither of the two is critical, and so is a type that is made tomorrow."""

SILENT = frozenset(
    {
        AlarmType.EPOCH_ENDED,
        AlarmType.BAR_LEFT_OUT,
        AlarmType.AUDIT_GONE,
        AlarmType.RESUMED,
        AlarmType.STARTED,
        AlarmType.STOPPED,
    }
)
"""Types that are told by the digest alone, unless the configuration says otherwise."""


class Alarm(NamedTuple):
    """One occurrence."""

    type: AlarmType
    severity: Severity
    subject: str
    """A symbol, or whatever else it is about; empty where it is about everything."""
    text: str
    at: datetime

    @classmethod
    def of(cls, type_: AlarmType, subject: str, text: str, at: datetime) -> "Alarm":
        """Of a type's own severity. Text of others neither steers a terminal nor fills a book."""
        return cls(type_, _severity_of(type_), subject, plain_text(text), at)

    @property
    def headline(self) -> str:
        """`EXITS NOT WATCHED AAPL`, as the log has it."""
        return f"{self.type.replace('_', ' ').upper()} {self.subject}".rstrip()


def _severity_of(type_: AlarmType) -> Severity:
    if type_ in _NEWS:
        return Severity.INFO
    return Severity.WARNING if type_ in _WARNINGS else Severity.CRITICAL


def tell_again_after(times: int) -> timedelta:
    """How long an alarm that was told so many times, and goes on, is not told again."""
    return timedelta(minutes=_TOLD_AGAIN_MIN[min(times, len(_TOLD_AGAIN_MIN)) - 1])


def plain_text(text: str) -> str:
    """On one line, not too long, and nothing in it that steers a terminal."""
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text[:_LONGEST_TEXT])
    return shown[:_LONGEST_TEXT]
