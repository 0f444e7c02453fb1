"""The log of writes (-wal) has its working size before the first commit.

A commit that makes the log longer waits for the file system's own journal, too: it takes about twice as long as one
that writes over what is there. SQLite begins the log anew after its checkpoint at 1,000 pages and never makes it
shorter, so that only the first commits of a run append to it. They are those of the day's first orders.
"""

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

from trader.adapters.durable import sync_file

_PAGES = 1_000
"""SQLite's own `wal_autocheckpoint`."""
_KEPT_PAGES = 10
"""So few pages of the transaction stay in memory: SQLite writes the others into the log before it ends."""
_ROOM = 16
"""So many times the log's size has to be free: what little room a disk has is for what happens."""


def grow_log(connection: sqlite3.Connection, path: Path) -> None:
    """Write pages into the log that are never committed, so that the next transactions write over them.

    A disk that does not take them is no fault yet: whoever commits is told.
    """
    log = Path(f"{path.resolve()}-wal")
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    has_its_size = log.exists() and log.stat().st_size >= _PAGES * page_bytes
    if has_its_size or shutil.disk_usage(path.parent).free < _ROOM * _PAGES * page_bytes:
        return
    cache_size = connection.execute("PRAGMA cache_size").fetchone()[0]
    connection.execute(f"PRAGMA cache_size = {_KEPT_PAGES}")
    with suppress(sqlite3.Error, OSError):
        _write_and_roll_back(connection, (_PAGES + 2 * _KEPT_PAGES) * page_bytes)
        sync_file(log)  # SQLite has its locks on the other two files: none is lost by opening and closing this one
    connection.execute(f"PRAGMA cache_size = {cache_size}")


def _write_and_roll_back(connection: sqlite3.Connection, count: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE never_committed (bytes BLOB)")
        connection.execute("INSERT INTO never_committed VALUES (zeroblob(?))", (count,))
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
