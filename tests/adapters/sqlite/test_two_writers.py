"""Two accounts write to one book at once: each waits for the other, none loses a commit, and no loop stands still."""

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from trader.adapters.sqlite.database import ThreadWriter, connect
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.queries import QUERIES

ACCOUNTS = ("large", "small", "tiny")
COMMITS = 200
LOCKED_S = 2.0
LONGEST_STANDSTILL_S = 1.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A book that has all of them."""
    path = tmp_path / "book.db"
    with closing(connect(path)) as book:
        for account in ACCOUNTS:
            book.execute(QUERIES["insert_account"], (account, 0, 0, 0, 0))
    return path


async def bound(path: Path, account: str) -> AccountWriter:
    return await AccountWriter.bind(await ThreadWriter.open(path), account)


async def count_up(writer: AccountWriter) -> None:
    """One commit after the other: read the newest number, write the next. A lost or crossed one leaves a gap."""

    def one_more(connection: sqlite3.Connection) -> None:
        head = connection.execute(QUERIES["journal_head"], (writer.account,)).fetchone()
        number = head[0] + 1 if head else 1
        connection.execute(QUERIES["insert_event"], (writer.account, number, "alarm", "", number, "{}", "0" * 64))

    for _ in range(COMMITS):
        await writer.transact(one_more)


async def longest_standstill() -> float:
    """Watch the loop until cancelled; give for how long nothing else had its turn."""
    longest, before = 0.0, time.monotonic()
    try:
        while True:
            await asyncio.sleep(0.005)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
    except asyncio.CancelledError:
        return longest


async def test_writers_of_three_accounts_lose_no_commit(path: Path) -> None:
    writers = [await bound(path, account) for account in ACCOUNTS]
    watch = asyncio.create_task(longest_standstill())
    await asyncio.sleep(0)
    await asyncio.gather(*(count_up(writer) for writer in writers))
    watch.cancel()
    assert await watch < LONGEST_STANDSTILL_S
    for writer in writers:
        await writer.close()
    with closing(sqlite3.connect(path)) as book:
        counted = book.execute("SELECT account, count(*), max(seq) FROM book_events GROUP BY account").fetchall()
    assert counted == [(account, COMMITS, COMMITS) for account in ACCOUNTS]


async def test_a_lock_that_a_neighbour_holds_delays_a_commit_and_not_the_loop(path: Path) -> None:
    writer = await bound(path, "tiny")
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as neighbour:
        neighbour.execute("BEGIN IMMEDIATE")
        release = threading.Timer(LOCKED_S, neighbour.execute, ["COMMIT"])
        release.start()
        watch = asyncio.create_task(longest_standstill())
        begin = time.monotonic()
        await writer.transact(
            lambda connection: connection.execute("UPDATE book_accounts SET signals_seen = 7 WHERE account = 'tiny'")
        )
        waited = time.monotonic() - begin
        release.join()
    watch.cancel()
    assert await watch < LONGEST_STANDSTILL_S < LOCKED_S <= waited
    seen = await writer.transact(
        lambda connection: connection.execute(
            "SELECT signals_seen FROM book_accounts WHERE account = 'tiny'"
        ).fetchone()
    )
    assert seen == (7,)
    await writer.close()
