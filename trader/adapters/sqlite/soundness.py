"""Whether a book is sound: the file itself, the guards of its schema, its chain of events."""

import re
import sqlite3
from contextlib import closing
from typing import NamedTuple

from trader.adapters.fingerprint import fingerprint
from trader.adapters.sqlite.journal import BEGINNING, Finding, last_seal, read_journal
from trader.adapters.sqlite.queries import SCHEMA

GUARDS = ("trigger", "index")
"""What makes the database say no. Tables cannot be lost without anybody noticing; views only show."""


class Part(NamedTuple):
    """One statement of the schema, as SQLite keeps it."""

    kind: str
    name: str
    sql: str


def schema_parts() -> list[Part]:
    """Every table, index, trigger and view that a book should have."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA)
        return _parts(fresh)


def schema_fingerprint(connection: sqlite3.Connection) -> str:
    """Of every table, index, trigger and view, whatever their white space."""
    return fingerprint(f"{part.kind} {part.name} {_spaced(part.sql)}".encode() for part in _parts(connection))


def shipped_fingerprint() -> str:
    """The same, of a book that this version makes."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA)
        return schema_fingerprint(fresh)


def lost_parts(connection: sqlite3.Connection) -> dict[Part, str]:
    """Parts of the schema that a book has not, or has in another wording."""
    found = {(part.kind, part.name): part for part in _parts(connection)}
    lost: dict[Part, str] = {}
    for part in schema_parts():
        there = found.get((part.kind, part.name))
        if there is None:
            lost[part] = "missing"
        elif _spaced(there.sql) != _spaced(part.sql):
            lost[part] = "changed"
    return lost


def file_faults(connection: sqlite3.Connection, *, full: bool) -> list[str]:
    """What SQLite says of the file, and in full of every page and reference. Empty when it is sound."""
    try:
        answers = [str(row[0]) for row in connection.execute(f"PRAGMA {'integrity' if full else 'quick'}_check")]
    except sqlite3.DatabaseError as error:  # so torn that the check itself stops
        return [str(error)]
    faults = [answer for answer in answers if answer != "ok"]
    if full:
        faults += [
            f"a row of {row[0]} refers to nothing in {row[2]}" for row in connection.execute("PRAGMA foreign_key_check")
        ]
    return faults


def chain_findings(connection: sqlite3.Connection, *, full: bool) -> tuple[int, list[Finding]]:
    """Verify the chain of every account; give the number of events and what is wrong with them.

    In full from the first event on, else from the last sealed session or run.
    """
    findings: list[Finding] = []
    events = 0
    for (account,) in connection.execute("SELECT account FROM book_accounts ORDER BY account").fetchall():
        after = BEGINNING if full else last_seal(connection, account)
        events += sum(1 for _ in read_journal(connection, account, findings, after))
    return events, findings


def _spaced(sql: str) -> str:
    """A migrated book has other white space, and none before what was added to a table."""
    return re.sub(r"\s*([(),])\s*", r"\1", " ".join(sql.split()))


def _parts(connection: sqlite3.Connection) -> list[Part]:
    return [
        Part(*row)
        for row in connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY 1, 2")
    ]
