"""The first fill of a day is written by statements that were compiled when the book was opened."""

import sqlite3
from contextlib import closing
from pathlib import Path

from trader.adapters.sqlite.database import ThreadWriter, connect
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.queries import QUERIES, QUERIES_TOGETHER


def asked_while_compiling(connection: sqlite3.Connection) -> int:
    """How often SQLite asks what is allowed when each write is made ready: it asks while it compiles, and only then."""
    asked = []

    def authorize(*about: object) -> int:
        asked.append(about)
        return sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)
    for statement in (*QUERIES.values(), *QUERIES_TOGETHER.values()):
        if not statement.startswith("SELECT"):
            connection.executemany(statement, ())
    connection.set_authorizer(None)
    return len(asked)


async def test_no_write_is_compiled_after_the_book_was_opened(tmp_path: Path) -> None:
    writer = await AccountWriter.bind(await ThreadWriter.open(tmp_path / "book.db"), "paper")
    asked = await writer.transact(asked_while_compiling)
    await writer.close()
    assert asked == 0


async def test_a_book_that_has_lost_a_guard_is_opened(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "book.db")) as book:
        book.execute("DROP INDEX one_working_opening_order_per_symbol")
    writer = await AccountWriter.bind(await ThreadWriter.open(tmp_path / "book.db"), "paper")
    held = await writer.transact(lambda connection: connection.execute("SELECT * FROM book_positions").fetchall())
    await writer.close()
    assert held == []
