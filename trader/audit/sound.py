"""The small sound book of `sound.sql`, written into tables in memory."""

import sqlite3
from hashlib import sha256
from pathlib import Path

from trader.audit import checksums
from trader.audit.chain import GENESIS

BEGAN_US = 1_750_685_400_000_000
"""When New York opens on 2025-06-23."""
MINUTE_US = 60_000_000

_BOOK = Path(__file__).with_name("sound.sql")
_TIMES = """
SELECT t.name, c.name FROM main.sqlite_master t JOIN pragma_table_info(t.name) c
WHERE t.type = 'table' AND c.name LIKE '%!_us' ESCAPE '!'
"""

_COUNTED = """
UPDATE book_accounts
SET journal_events = (SELECT count(*) FROM book_events WHERE book_events.account = book_accounts.account)
"""


def sow(connection: sqlite3.Connection) -> None:
    """Write the book into tables that are there and empty."""
    connection.executescript(_BOOK.read_bytes().decode())
    for table, column in connection.execute(_TIMES).fetchall():
        connection.execute(f"UPDATE {table} SET {column} = ? + {column} * ?", (BEGAN_US, MINUTE_US))  # noqa: S608
    before: dict[str, str] = {}
    events = connection.execute("SELECT account, seq, type, symbol, at_us, data FROM book_events ORDER BY account, seq")
    for account, *rest in events.fetchall():
        line = "|".join(str(part) for part in (before.get(account, GENESIS), account, *rest))
        before[account] = sha256(line.encode()).hexdigest()
        connection.execute(
            "UPDATE book_events SET hash = ? WHERE account = ? AND seq = ?", (before[account], account, rest[0])
        )
    connection.execute(_COUNTED)
    checksums.write(connection)
