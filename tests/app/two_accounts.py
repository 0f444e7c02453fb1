"""One book of two accounts, both of which have traded; and what the program never does to it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from builders import REPOSITORY, a_machine

CONFIG = """
[families]
file = "{families}"
[accounts.large.book]
db = "book.db"
[accounts.tiny.book]
db = "book.db"
"""
HELD = {"AAPL": 74, "QQQ": 29}

FAMILIES = REPOSITORY / "config" / "families.toml"


def trade(folder: Path) -> Path:
    """large holds AAPL and QQQ; tiny has held AAPL and is flat. Gives the book."""

    async def both() -> None:
        async with a_machine(folder, account={"name": "large"}) as market:
            await market.bars(2, {"QQQ": 0.8, "AAPL": 0.8})
            assert market.held() == HELD
        async with a_machine(folder, account={"name": "tiny", "starting_cash": 10_000}) as market:
            await market.bars(2, {"AAPL": 0.8})
            await market.bars(2, {"AAPL": 0.1})
            await market.submit("AAPL", 2.0)

    asyncio.run(both())
    return folder / "trading_data.db"


def configure(book: Path) -> None:
    """Lay a configuration of both accounts and a copy of their book into the current folder."""
    with closing(sqlite3.connect(book)) as source, closing(sqlite3.connect("book.db")) as copy:
        source.backup(copy)
    Path("mine.toml").write_text(CONFIG.format(families=FAMILIES), "utf-8")


def damage(*statements: str) -> None:
    """Do what the program never does: each statement changes a row of the copy, without its guards."""
    with closing(sqlite3.connect("book.db", isolation_level=None)) as book:
        for (name,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            book.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert book.execute(statement).rowcount == 1


def a_position_of(account: str, symbol: str) -> str:
    """Like the one in QQQ of large, but nobody has bought it."""
    with closing(sqlite3.connect("book.db")) as book:
        columns = [row[1] for row in book.execute("PRAGMA table_info(book_positions)")]
    given = {"account": f"'{account}'", "symbol": f"'{symbol}'", "state": "'closing'", "closing_purpose": "'exit'"}
    values = ", ".join(given.get(column, column) for column in columns)
    return f"INSERT INTO book_positions SELECT {values} FROM book_positions WHERE symbol = 'QQQ'"  # noqa: S608
