"""The tables written anew from the journal.

Rule 1: only what differs is touched, in one transaction, and the journal gets a word of it.
Rule 2: executions and the journal are never rewritten: they are what everything else follows from. A journal with
findings of its own rebuilds nothing.
Rule 3: the schema's triggers stand aside while rows are mended. All of them, and every index that was lost, are back
before the commit.
Rule 4: what only its row told of is gone when that was changed: it is taken as it is, and the journal says of how many.
"""

import sqlite3
from itertools import count, filterfalse
from typing import NamedTuple

from trader.adapters.sqlite.checksums import take_as_it_is
from trader.adapters.sqlite.folding import Folded, fold
from trader.adapters.sqlite.journal import command_entry
from trader.adapters.sqlite.projections import (
    ACCOUNT,
    CASH_DRIFT,
    DRIFT,
    LOCKS,
    LOTS,
    MOVEMENTS,
    NUMBERED,
    ORDERS,
    POSITIONS,
    Projection,
    Sides,
    orders_made,
    sides,
)
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import Row, event_text, from_us, to_us
from trader.adapters.sqlite.soundness import GUARDS, lost_parts, schema_parts
from trader.adapters.sqlite.transaction import Head, link
from trader.domain.errors import BookBroken

_BY_KEY = (POSITIONS, LOTS, ORDERS, LOCKS, DRIFT, CASH_DRIFT, MOVEMENTS)


class Rebuilt(NamedTuple):
    """What was done."""

    mended: int
    """Rows and guards that the journal or the schema knows."""
    taken_as_they_are: int
    """Rows that were not as they were written, and counts of rows."""

    def __str__(self) -> str:
        taken = f", {self.taken_as_they_are} rows and counts taken as they are" if self.taken_as_they_are else ""
        return f"{self.mended} rows and guards mended{taken}"


def rebuild(connection: sqlite3.Connection, account: str, operator: str) -> Rebuilt:
    """Make the tables equal to the journal.

    Raises BookBroken, with nothing changed, when that cannot be done.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        folded = fold(connection, account)
        if folded.findings:
            raise BookBroken(
                f"the journal of account {account} is damaged itself ({len(folded.findings)} findings, the first: "
                f"{folded.findings[0].what}); nothing is rebuilt from it, go back to a backup"
            )
        rebuilt = _without_triggers(connection, folded)
        if any(rebuilt):
            _note(connection, account, operator, rebuilt)
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise BookBroken(f"a row of {broken[0]} would refer to nothing in {broken[2]}; nothing was changed")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return rebuilt


def _without_triggers(connection: sqlite3.Connection, folded: Folded) -> Rebuilt:
    lost = [part for part in lost_parts(connection) if part.kind in GUARDS]
    triggers = [part for part in schema_parts() if part.kind == "trigger"]
    for part in {*triggers, *lost}:
        connection.execute(f"DROP {part.kind} IF EXISTS {part.name}")
    taken = take_as_it_is(connection, folded.account)
    tables = sides(connection, folded)
    rows = sum(_mend(connection, projection, tables[projection], folded.account) for projection in _BY_KEY)
    rows += sum(_mend_numbered(connection, projection, tables[projection], folded.account) for projection in NUMBERED)
    rows += _mend_account(connection, tables[ACCOUNT], folded)
    if rows:
        take_as_it_is(connection, folded.account)  # those that were just written have no checksum yet
    for part in sorted({*triggers, *lost}):
        connection.execute(part.sql)
    return Rebuilt(rows + len(lost), taken)


def _mend(connection: sqlite3.Connection, projection: Projection, both: Sides, account: str) -> int:
    """Take out every row that is not as it should be, then put in every row that is missing then."""
    wrong = [key for key, row in both.found.items() if both.expected.get(key) != row]
    missing = [row for key, row in both.expected.items() if both.found.get(key) != row]
    chosen = " AND ".join(f"{name} = ?" for name in projection.key)
    connection.executemany(
        f"DELETE FROM {projection.table} WHERE account = ? AND {chosen}",  # noqa: S608  (our names)
        [(account, *key) for key in wrong],
    )
    _insert(connection, projection, missing)
    return len({*wrong, *(key for key, row in both.expected.items() if both.found.get(key) != row)})


def _insert(connection: sqlite3.Connection, projection: Projection, rows: list[Row]) -> None:
    names, marks = ", ".join(projection.columns), ", ".join("?" * len(projection.columns))
    connection.executemany(
        f"INSERT INTO {projection.table} ({names}) VALUES ({marks})",  # noqa: S608  (our names)
        rows,
    )


def _mend_numbered(connection: sqlite3.Connection, projection: Projection, both: Sides, account: str) -> int:
    """They are told apart by their order alone, so all of an account are written again.

    They take the lowest numbers that no row of another account has: where as many were there, each keeps its own. A row
    too many below one of another account leaves a gap: the other's rows are not ours to number.
    """
    wrong = [key for key in {**both.expected, **both.found} if both.expected.get(key) != both.found.get(key)]
    if not wrong:
        return 0
    connection.execute(f"DELETE FROM {projection.table} WHERE account = ?", (account,))  # noqa: S608  (our names)
    taken = {row[0] for row in connection.execute(f"SELECT id FROM {projection.table} WHERE account <> ?", (account,))}  # noqa: S608  (our names)
    numbers = filterfalse(taken.__contains__, count(1))
    numbered = projection._replace(columns=(*projection.columns, "id"))
    _insert(connection, numbered, [(*row, next(numbers)) for row in both.expected.values()])
    return len(wrong)


def _mend_account(connection: sqlite3.Connection, both: Sides, folded: Folded) -> int:
    made, needed = orders_made(connection, folded)
    if both.expected == both.found and made >= needed:
        return 0
    _, starting_cash, cash, reserved = both.expected[(folded.account,)]
    connection.execute(
        "UPDATE book_accounts SET starting_cash_micros = ?, cash_micros = ?, reserved_micros = ?, orders_made = ? "
        "WHERE account = ?",
        (starting_cash, cash, reserved, max(made, needed), folded.account),
    )
    return 1


def _note(connection: sqlite3.Connection, account: str, operator: str, rebuilt: Rebuilt) -> None:
    """A word in the journal, at the time of its newest event: the market goes on from there."""
    head, at_us = _head(connection, account)
    why = "the tables differed from the journal"
    entry = command_entry(from_us(at_us), "rebuild", operator, why, str(rebuilt))
    text = event_text(entry)
    new = link(head, account, entry, text)
    row = (account, new.seq, entry.type, entry.symbol, to_us(entry.at), text, new.hash)
    connection.execute(QUERIES["insert_event"], row)
    connection.execute(QUERIES["count_events"], (1, account))


def _head(connection: sqlite3.Connection, account: str) -> tuple[Head, int]:
    seq, digest, at_us = connection.execute(QUERIES["journal_head"], (account,)).fetchone()
    return Head(seq, digest), at_us
