"""A book is of one kind, and each of its accounts is one account of the broker's, for as long as there is the book."""

from pathlib import Path

import pytest
from builders import NOON

from trader.adapters.sqlite.database import InlineWriter, connect
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.store import SqliteStore
from trader.domain.errors import BookBroken
from trader.domain.events import JournalType
from trader.services.draft import Draft


async def start(path: Path, account: str, at_the_broker: str, *, kind: str = "paper", opens: bool = True) -> None:
    """As a daemon starts: stamp, account, and unless it dies before, the first event of its journal."""
    store = SqliteStore(await AccountWriter.bind(InlineWriter(connect(path)), account), path)
    try:
        await store.stamp(kind, at_the_broker, 7, NOON)
        if await store.ensure_account(1_000_000, NOON) and opens:
            draft = Draft(await store.load(), NOON)
            draft.note(JournalType.ACCOUNT_OPENED, "", starting_cash_micros=1_000_000, broker_account=at_the_broker)
            await store.commit(draft.commit)
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


async def test_a_book_of_another_kind_is_refused(path: Path) -> None:
    await start(path, "tiny", "DU1")
    with pytest.raises(BookBroken, match="is a paper book and this is a live run"):
        await start(path, "tiny", "DU1", kind="live")


async def test_two_accounts_of_a_broker_share_a_book(path: Path) -> None:
    for _ in range(2):
        await start(path, "tiny", "DU1")
        await start(path, "large", "DU2")


@pytest.mark.parametrize("opens", [True, False], ids=["", "that died before its first event"])
async def test_an_account_stays_what_it_is_at_the_broker(path: Path, opens: bool) -> None:
    await start(path, "tiny", "DU1", opens=opens)
    with pytest.raises(BookBroken, match="the account tiny is DU1, and this run calls DU2 tiny"):
        await start(path, "tiny", "DU2")


async def test_the_second_account_of_a_book_stays_what_it_is_too(path: Path) -> None:
    await start(path, "tiny", "DU1")
    await start(path, "large", "DU2")
    with pytest.raises(BookBroken, match="the account large is DU2, and this run calls DU3 large"):
        await start(path, "large", "DU3")


async def test_an_account_of_the_broker_has_one_name_in_a_book(path: Path) -> None:
    """In the post-mortem one account was called large, large-default and large-100k."""
    await start(path, "large", "DU1")
    with pytest.raises(BookBroken, match="the account DU1 is called large, and this run calls DU1 large-100k"):
        await start(path, "large-100k", "DU1")
