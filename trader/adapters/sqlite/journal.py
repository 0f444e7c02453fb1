"""The account's journal, read back event by event, with its hash chain verified on the way.

Rule: what is missing, unreadable or not what was written is a finding; nothing is skipped in silence.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import from_us
from trader.adapters.sqlite.transaction import GENESIS, Head, journal_head, link
from trader.domain.events import JournalEntry, JournalType

_SEALS = frozenset({JournalType.FLAT_PROVEN, JournalType.RUN_STOPPED})


class Finding(NamedTuple):
    """One disagreement: of what, in which part of it, and the two words about it."""

    what: str
    where: str
    journal: str
    book: str


class Facts:
    """The data of one event. A value that is missing or of another kind raises ValueError, saying which."""

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, object]) -> None:
        self._data = data

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def text(self, key: str) -> str:
        """A text."""
        value = self._value(key)
        if not isinstance(value, str):
            raise ValueError(f"{key} is not a text")
        return value

    def number(self, key: str) -> int:
        """A whole number: micros, shares, microseconds."""
        value = self.number_or_none(key)
        if value is None:
            raise ValueError(f"{key} is not a whole number")
        return value

    def number_or_none(self, key: str) -> int | None:
        """A whole number, or null."""
        value = self._value(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{key} is not a whole number")
        return value

    def fraction(self, key: str) -> float:
        """A number that need not be whole."""
        value = self._value(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{key} is not a number")
        return float(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value(key)
        if not isinstance(value, bool):
            raise ValueError(f"{key} is neither true nor false")
        return value

    def values(self, key: str) -> dict[str, str | int | float]:
        """Texts and numbers by their names."""
        value = self._value(key)
        if not isinstance(value, dict):
            raise ValueError(f"{key} are no named values")
        return {str(name): one for name, one in value.items() if isinstance(one, str | int | float)}

    def _value(self, key: str) -> object:
        if key not in self._data:
            raise ValueError(f"it has no {key}")
        return self._data[key]


class Event(NamedTuple):
    """One row of the journal."""

    seq: int
    type: JournalType
    symbol: str
    at: datetime
    facts: Facts


BEGINNING = Head(0, GENESIS)


def command_entry(at: datetime, name: str, operator: str, reason: str, answer: str) -> JournalEntry:
    """The journal's word of something done to the whole book while no daemon ran."""
    data = {"name": name, "operator": operator, "reason": reason, "scope": "all", "target": "", "answer": answer}
    return JournalEntry(JournalType.COMMAND, at, "", data)


def last_seal(connection: sqlite3.Connection, account: str) -> Head:
    """The newest event that ended a session or a run: what came before it was looked at while it was written.

    Read backwards, so that it costs no more than the events since. `BEGINNING` where there is none.
    """
    rows = connection.execute("SELECT seq, hash, type FROM book_events WHERE account = ? ORDER BY seq DESC", (account,))
    return next((Head(seq, digest) for seq, digest, type_ in rows if type_ in _SEALS), BEGINNING)


def read_journal(
    connection: sqlite3.Connection, account: str, findings: list[Finding], after: Head = BEGINNING
) -> Iterator[Event]:
    """Give every readable event in order, adding to the findings what is wrong with the chain."""
    head = after
    rows = connection.execute(
        "SELECT seq, type, symbol, at_us, data, hash FROM book_events WHERE account = ? AND seq > ? ORDER BY seq",
        (account, head.seq),
    )
    for seq, type_, symbol, at_us, text, digest in rows:
        if seq != head.seq + 1:
            findings.append(_missing(head.seq + 1, seq - 1))
            head = Head(seq - 1, "")
        where = f"journal, {type_}"
        try:
            entry = JournalEntry(JournalType(type_), from_us(at_us), symbol, {})
            facts = read_facts(text)
        except (ValueError, OverflowError) as error:
            findings.append(Finding(f"event {seq}", where, "an event", f"unreadable: {error}"))
        else:
            if head.hash and link(head, account, entry, text).hash != digest:
                findings.append(
                    Finding(f"event {seq}", where, "the hash of its row and the one before", "another hash")
                )
            yield Event(seq, entry.type, symbol, entry.at, facts)
        head = Head(seq, digest)


def cut_off(connection: sqlite3.Connection, account: str) -> list[Finding]:
    """Events that the account has counted and its journal does not have at its end; or the other way round."""
    row = connection.execute(QUERIES["journal_length"], (account,)).fetchone()
    counted, newest = row[0] if row is not None else 0, journal_head(connection, account).seq
    if counted > newest:
        return [_missing(newest + 1, counted)]
    return [Finding(f"event {newest}", "journal", "counted by its account", "not counted")] if counted < newest else []


def _missing(first: int, last: int) -> Finding:
    what = f"event {first}" if first == last else f"events {first} to {last}"
    return Finding(what, "journal", "numbers without a gap", "missing")


def read_facts(text: str) -> Facts:
    """The data of an event. Raises ValueError for what is no JSON object."""
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("its data is no object")
    return Facts(data)
