"""The book as it was when a run began: a copy, of which everything that came later is taken out.

What follows from the journal is written anew from what is left of it. The copy is in a scratch folder; the book is only
read.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from trader.adapters.sqlite.database import connect
from trader.adapters.sqlite.folding import fold
from trader.adapters.sqlite.projections import COMMISSIONS, FILLS, sides
from trader.adapters.sqlite.rebuilding import rebuild
from trader.adapters.sqlite.soundness import schema_parts
from trader.app.compare_live.recording import Run

_LATER = (
    "DELETE FROM book_days WHERE account = ?1 AND started_us IN "
    "(SELECT at_us FROM book_events WHERE account = ?1 AND type = 'day_started' AND seq >= ?2)",
    "DELETE FROM book_deliveries WHERE account = ? AND alarm >= ?",
    "DELETE FROM book_alarms WHERE account = ? AND seq >= ?",
    "DELETE FROM book_events WHERE account = ? AND seq >= ?",
)
_LATER_SIGNALS = "DELETE FROM book_signals WHERE account = ? AND rowid > ?"
_INPUTS = "DELETE FROM book_inputs WHERE account = ?"


def copy_of(book: sqlite3.Connection, account: str, run: Run, place: Path) -> None:
    """Write the book as it was. Raises BookBroken where its journal is damaged."""
    with closing(sqlite3.connect(place)) as copy:
        book.backup(copy)
    with closing(connect(place)) as copy:
        _forget(copy, account, run)
        rebuild(copy, account, "replay --compare-live")


def _forget(copy: sqlite3.Connection, account: str, run: Run) -> None:
    for part in schema_parts():
        if part.kind == "trigger":
            copy.execute(f"DROP TRIGGER IF EXISTS {part.name}")
    copy.execute("PRAGMA foreign_keys = OFF")
    copy.execute("BEGIN IMMEDIATE")
    for statement in _LATER:
        copy.execute(statement, (account, run.first_seq))
    copy.execute(_LATER_SIGNALS, (account, run.signals[0]))
    copy.execute(_INPUTS, (account,))
    folded = sides(copy, fold(copy, account))
    for projection, column in ((COMMISSIONS, "execution_id"), (FILLS, "execution_id")):
        later = folded[projection].found.keys() - folded[projection].expected.keys()
        copy.executemany(
            f"DELETE FROM {projection.table} WHERE account = ? AND {column} = ?",  # noqa: S608  (our names)
            [(account, key[-1]) for key in later],
        )
    copy.execute(
        "UPDATE book_accounts SET signals_seen = ?, orders_made = ?, journal_events = "
        "(SELECT count(*) FROM book_events e WHERE e.account = book_accounts.account) WHERE account = ?",
        (run.number("signals_seen"), run.number("orders_made"), account),
    )
    copy.execute("COMMIT")
    copy.execute("PRAGMA foreign_keys = ON")
