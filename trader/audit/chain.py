"""The journal's chain of hashes, followed from where the last look has come to. What does not hold is kept."""

import sqlite3
from hashlib import sha256

GENESIS = "0" * 64

_MADE = """
CREATE TEMP TABLE links (account TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TEMP TABLE broken_links (account, seq, said);
"""

_NEW = """
INSERT INTO links SELECT account, 0, ? FROM main.book_accounts WHERE account NOT IN (SELECT account FROM links)
"""

_EVENTS = """
SELECT seq, type, symbol, at_us, data, hash FROM main.book_events WHERE account = ? AND seq > ? ORDER BY seq
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, empty."""
    connection.executescript(_MADE)


def follow(connection: sqlite3.Connection) -> None:
    """Follow every account's chain to its newest event. Raises sqlite3.Error for what cannot be read."""
    connection.execute(_NEW, (GENESIS,))
    for link in connection.execute("SELECT account, seq, hash FROM links").fetchall():
        _follow(connection, *link)


def _follow(connection: sqlite3.Connection, account: str, seq: int, written: str) -> None:
    broken = []
    for number, type_, symbol, at_us, data, written_next in connection.execute(_EVENTS, (account, seq)):
        # SQLite takes three times as long to put the line together.
        line = f"{written}|{account}|{number}|{type_}|{symbol}|{at_us}|{data}"
        if number != seq + 1:
            broken.append((account, number, f"event {seq + 1} is missing"))
        elif sha256(line.encode()).hexdigest() != written_next:
            broken.append((account, number, "it is not what was written"))
        seq, written = number, written_next
    connection.executemany("INSERT INTO broken_links VALUES (?, ?, ?)", broken)
    connection.execute("UPDATE links SET seq = ?, hash = ? WHERE account = ?", (seq, written, account))
