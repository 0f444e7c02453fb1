"""Rows of which nothing else in the book tells: each has a checksum of what was written, and they are counted.

Signals and recorded inputs are many, and those of yesterday are never written again: they are followed from where the
last look has come to. Of the older ones each look takes some again, in turn: what was changed by hand beside a running
daemon is found by it, too.
"""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple
from zlib import crc32

from trader.audit.rule import Named, Rule


class _Checked(NamedTuple):
    """How the rows of a table are named, and what their checksum is of."""

    account: str
    id: str
    columns: str


_TABLES: Mapping[str, _Checked] = {
    "book_stamp": _Checked("''", "one", "kind, book_id, epoch, seed, created_us"),
    "book_accounts": _Checked("account", "account", "account, orders_made, signals_seen, opened_us, updated_us"),
    "book_orders": _Checked("account", "order_ref", "order_ref, updated_us, perm_id"),
    "book_reconciled": _Checked("account", "account", "account, at_us"),
    "book_signals": _Checked(
        "account",
        "id",
        "account, id, symbol, probability, signal_us, received_us, source, outcome, stage, rule, measured, "
        "limit_value, detail, order_ref, count",
    ),
    "book_inbox": _Checked("account", "path", "account, path, offset, line"),
    "book_alarms": _Checked(
        "account",
        "seq",
        "account, seq, type, severity, subject, text, first_us, last_us, count, acknowledged_us, acknowledged_by",
    ),
    "book_deliveries": _Checked("account", "id", "account, alarm, channel, count, at_us"),
    "book_inputs": _Checked("account", "seq", "account, at_us, kind, data"),
    "book_marks": _Checked("account", "symbol", "account, symbol, price_micros, at_us"),
}

_COUNTED = (
    *("book_signals", "book_inbox", "book_alarms", "book_deliveries", "book_inputs", "book_marks"),
    "book_reconciled",
)

_FOLLOWED = ("book_signals", "book_inputs")
AGAIN = 5_000
"""So many rows that were looked at already are taken again by each look: some hundredths of a second."""

_MADE = f"""
CREATE TEMP TABLE changed_rows (account, of, id, row);
CREATE TEMP TABLE followed (of PRIMARY KEY, newest, again);
INSERT INTO followed VALUES {", ".join(f"('{table}', 0, 0)" for table in _FOLLOWED)};
CREATE TEMP VIEW checked_rows AS {" UNION ALL ".join(f"SELECT checksum FROM main.{table}" for table in _TABLES)};
"""  # noqa: S608  (our own names)

_FIND = {
    table: f"INSERT INTO changed_rows SELECT {account}, '{table}', {id_}, {'rowid' if table in _FOLLOWED else 0} "  # noqa: S608
    f"FROM main.{table} WHERE checksum IS NOT checksum_of({columns})"
    for table, (account, id_, columns) in _TABLES.items()
}
"""Table -> the statement that finds its changed rows."""
_COMPARED = tuple(
    statement
    for table, find in _FIND.items()
    if table not in _FOLLOWED
    for statement in (f"DELETE FROM changed_rows WHERE of = '{table}'", find)  # noqa: S608
)
"""Of every other table: all its rows."""
_TAKEN = "SELECT newest, again + 1, min(again + ?, newest) FROM followed WHERE of = ?"
_FOLLOW = {
    table: (
        f"DELETE FROM changed_rows WHERE of = '{table}' AND (row > :newest OR row BETWEEN :first AND :last)",  # noqa: S608
        f"{_FIND[table]} AND (rowid > :newest OR rowid BETWEEN :first AND :last)",
        f"UPDATE followed SET newest = coalesce((SELECT max(rowid) FROM main.{table}), 0), "  # noqa: S608
        f"again = iif(:last < :newest, :last, 0) WHERE of = '{table}'",
    )
    for table in _FOLLOWED
}
"""Table -> its new rows, and those whose turn it is."""

_WRITTEN = (
    *(f"UPDATE {table} SET checksum = checksum_of({checked.columns})" for table, checked in _TABLES.items()),  # noqa: S608
    *(
        f"INSERT INTO book_counts SELECT account, '{table}', count(*) FROM {table} GROUP BY account"  # noqa: S608
        for table in _COUNTED
    ),
)


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, empty."""
    connection.create_function("checksum_of", -1, _checksum_of)
    connection.executescript(_MADE)


def compare(connection: sqlite3.Connection) -> None:
    """Find the rows that are not what was written."""
    for statement in _COMPARED:
        connection.execute(statement)
    for table, statements in _FOLLOW.items():
        newest, first, last = connection.execute(_TAKEN, (AGAIN, table)).fetchone()
        for statement in statements:
            connection.execute(statement, {"newest": newest, "first": first, "last": last})


def write(connection: sqlite3.Connection) -> None:
    """Write the checksums and the counts of a book that is made to be looked at."""
    connection.create_function("checksum_of", -1, _checksum_of)
    for statement in _WRITTEN:
        connection.execute(statement)


def _checksum_of(*values: object) -> int:
    return crc32(ascii(values).encode())


ROWS_AS_WRITTEN = Rule(
    name="rows_as_written",
    says="What only its row tells of has the checksum of what was written there.",
    over="checked_rows",
    named=Named.ROW,
    query="""
        SELECT account, of || ' ' || id, 'it is not what was written'
            || iif(of = 'book_stamp', ': put back what it was, or go back to a backup', '') FROM changed_rows""",
    plants=(
        "UPDATE book_stamp SET seed = 8",
        "UPDATE book_accounts SET opened_us = 1 WHERE account = 'two'",
        "UPDATE book_accounts SET signals_seen = signals_seen - 1 WHERE account = 'one'",
        "UPDATE book_orders SET perm_id = 12 WHERE order_ref = 'one-1-0001'",
        "UPDATE book_reconciled SET at_us = at_us + 1",
        "UPDATE book_signals SET source = 'me' WHERE account = 'one' AND id = 'S-0002'",
        "UPDATE book_inbox SET line = 2",
        "UPDATE book_alarms SET text = 'all is well'",
        "UPDATE book_deliveries SET channel = 'me'",
        "UPDATE book_inputs SET data = 'x' WHERE seq = 2",
        "UPDATE book_marks SET price_micros = 1",
    ),
)

ROWS_ARE_COUNTED = Rule(
    name="rows_are_counted",
    says="Of tables that nothing else tells of, there are as many rows as were written.",
    over="main.book_counts",
    named=Named.ROW,
    query=" UNION ALL ".join(
        f"""
        SELECT a.account, '{table}', printf('%d rows were written, and %d are there', written, found) FROM (
            SELECT account, coalesce((SELECT count FROM main.book_counts c
                                      WHERE c.account = o.account AND c.counted = '{table}'), 0) AS written,
                   (SELECT count(*) FROM main.{table} r WHERE r.account = o.account) AS found
            FROM main.book_accounts o) a
        WHERE written <> found"""  # noqa: S608
        for table in _COUNTED
    ),
    plants=(
        *(f"DELETE FROM {table} WHERE account = 'one'" for table in _COUNTED),  # noqa: S608
        "DELETE FROM book_counts WHERE account = 'two'",
    ),
)

CHECKSUMS = (ROWS_AS_WRITTEN, ROWS_ARE_COUNTED)
