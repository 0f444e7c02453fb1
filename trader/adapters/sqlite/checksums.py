"""What only its row tells of: its checksum, and how many such rows there are.

Rule 1: a statement that writes such a row writes its checksum: CRC-32 of its values, as `ascii` words the tuple of
them. It is there for what was changed by hand or by a fault, not for who takes the trouble to compute it.
Rule 2: a statement that leaves some of the values as they are leaves a wrong checksum as it is, too: what was changed
by hand beside a running daemon is found after its next commit as well.
Rule 3: a row that is not what was written cannot be made anew. A rebuild takes it as it is, and says so.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32


class Covered(NamedTuple):
    """A table of which each row has a checksum."""

    table: str
    key: str
    """The column by which a person knows a row."""
    columns: tuple[str, ...]
    """What the checksum is of."""


_OF_ACCOUNTS = (
    Covered("book_accounts", "account", ("account", "orders_made", "signals_seen", "opened_us", "updated_us")),
    Covered("book_orders", "order_ref", ("order_ref", "updated_us", "perm_id")),
    Covered("book_reconciled", "account", ("account", "at_us")),
    Covered(
        "book_signals",
        "id",
        (
            *("account", "id", "symbol", "probability", "signal_us", "received_us", "source", "outcome", "stage"),
            *("rule", "measured", "limit_value", "detail", "order_ref", "count"),
        ),
    ),
    Covered("book_inbox", "path", ("account", "path", "offset", "line")),
    Covered(
        "book_alarms",
        "seq",
        (
            *("account", "seq", "type", "severity", "subject", "text", "first_us", "last_us", "count"),
            *("acknowledged_us", "acknowledged_by"),
        ),
    ),
    Covered("book_deliveries", "id", ("account", "alarm", "channel", "count", "at_us")),
    Covered("book_inputs", "seq", ("account", "at_us", "kind", "data")),
    Covered("book_marks", "symbol", ("account", "symbol", "price_micros", "at_us")),
)

_COUNTED = (
    *("book_signals", "book_inbox", "book_alarms", "book_deliveries", "book_inputs", "book_marks"),
    "book_reconciled",
)


class Difference(NamedTuple):
    """A row that is not what was written, or a table with more or less rows than were."""

    table: str
    key: str
    """Of the row; empty for the table."""
    written: str
    found: str


def checksum(*values: object) -> int:
    """Of the values of a row, as they are stored."""
    return crc32(ascii(values).encode())


def teach(connection: sqlite3.Connection) -> None:
    """Give a connection the function that the statements name."""
    connection.create_function("checksum", -1, checksum, deterministic=True)


def differences(connection: sqlite3.Connection, account: str) -> Iterator[Difference]:
    """What of an account is not as it was written."""
    teach(connection)
    for table, key, columns in _OF_ACCOUNTS:
        for (row,) in connection.execute(
            f"SELECT {key} FROM {table} WHERE account = ? AND {_changed(columns)}",  # noqa: S608  (our names)
            (account,),
        ):
            yield Difference(table, str(row), "as written", "changed")
    for table, told, found in _miscounted(connection, account):
        yield Difference(table, "", f"{told} rows", f"{found} rows")


def take_as_it_is(connection: sqlite3.Connection, account: str) -> int:
    """Write the checksums and the counts of what is there; give how many were not so."""
    taken = sum(
        connection.execute(
            f"UPDATE {table} SET checksum = checksum({', '.join(columns)}) "  # noqa: S608  (our names)
            f"WHERE account = ? AND {_changed(columns)}",
            (account,),
        ).rowcount
        for table, _, columns in _OF_ACCOUNTS
    )
    miscounted = [*_miscounted(connection, account)]
    for table, _, found in miscounted:
        connection.execute("DELETE FROM book_counts WHERE account = ? AND counted = ?", (account, table))
        if found:
            connection.execute(
                "INSERT INTO book_counts (account, counted, count) VALUES (?, ?, ?)", (account, table, found)
            )
    return taken + len(miscounted)


def _changed(columns: tuple[str, ...]) -> str:
    return f"checksum <> checksum({', '.join(columns)})"


def _miscounted(connection: sqlite3.Connection, account: str) -> Iterator[tuple[str, int, int]]:
    """Tables, and how many rows they had and have."""
    told = dict(connection.execute("SELECT counted, count FROM book_counts WHERE account = ?", (account,)).fetchall())
    for table in _COUNTED:
        [found] = connection.execute(f"SELECT count(*) FROM {table} WHERE account = ?", (account,)).fetchone()  # noqa: S608  (our names)
        if told.get(table, 0) != found:
            yield table, told.get(table, 0), found
