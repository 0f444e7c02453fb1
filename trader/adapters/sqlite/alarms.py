"""Alarms as rows, written in the transaction of the facts that they follow from."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import to_us
from trader.domain.alarm import SPELL, Alarm
from trader.domain.alarming import alarm_of
from trader.domain.events import JournalEntry
from trader.services.ports import Acknowledgement

_SPELL_US = SPELL // SPELL.resolution


def write_alarms(connection: sqlite3.Connection, account: str, facts: Iterable[tuple[int, JournalEntry]]) -> int:
    """Count each alarm among numbered facts in the row of its spell, or begin one. Gives how many there were."""
    raised = [(seq, alarm) for seq, entry in facts if (alarm := alarm_of(entry)) is not None]
    for seq, alarm in raised:
        at_us = to_us(alarm.at)
        spell = _spell(connection, account, alarm, at_us)
        if spell is not None:
            connection.execute(QUERIES["repeat_alarm"], (at_us, alarm.text, account, spell))
        else:
            row = (str(alarm.type), str(alarm.severity), alarm.subject, alarm.text, at_us, at_us)
            connection.execute(QUERIES["insert_alarm"], (account, seq, *row))
    return len(raised)


def _spell(connection: sqlite3.Connection, account: str, alarm: Alarm, at_us: int) -> int | None:
    """The number of the alarm that this one repeats."""
    asked = {"account": account, "type": str(alarm.type), "subject": alarm.subject}
    newest = connection.execute(QUERIES["newest_alarm"], asked).fetchone()
    return newest[0] if newest is not None and abs(at_us - newest[1]) <= _SPELL_US else None


def acknowledge(connection: sqlite3.Connection, account: str, known: Iterable[Acknowledgement], at: datetime) -> None:
    """Somebody has seen them: they are not told again, and their repeats are counted in silence."""
    rows = [(to_us(at), one.by, account, one.alarm) for one in known]
    connection.executemany(QUERIES["acknowledge_alarm"], rows)
