"""A book whose files were removed or replaced under it: nothing more is committed, and that is said."""

# ruff: noqa: ASYNC240  (files of a test are small and near)

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from trader.adapters.sqlite.database import ThreadWriter
from trader.domain.errors import BookUnwritable

INSERT = "INSERT INTO book_stamp (one, kind, book_id, epoch, seed, created_us) VALUES (1, 'replay', 'b', 1, 7, 0)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[ThreadWriter]:
    writer = await ThreadWriter.open(path)
    yield writer
    await writer.close()


async def stamps(writer: ThreadWriter) -> int:
    """How many stamps the open book has, asked past the writer."""
    [(count,)] = await writer._connection.execute_fetchall("SELECT count(*) FROM book_stamp")
    return int(count)


async def stamp(writer: ThreadWriter) -> None:
    await writer.transact(lambda connection: connection.execute(INSERT))


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
async def test_nothing_is_committed_into_a_file_without_a_name(path: Path, writer: ThreadWriter, suffix: str) -> None:
    Path(f"{path}{suffix}").unlink()
    with pytest.raises(BookUnwritable, match=r"book\.db was removed or replaced while it was open") as refused:
        await stamp(writer)
    assert f"book.db{suffix} is not the file that was opened" in str(refused.value)
    assert await stamps(writer) == 0


async def test_nothing_is_committed_into_a_book_that_was_replaced(
    path: Path, writer: ThreadWriter, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).close()
    other.rename(path)
    with pytest.raises(BookUnwritable, match="removed or replaced"):
        await stamp(writer)
    assert await stamps(writer) == 0


async def test_a_book_that_was_put_back_is_written_again(path: Path, writer: ThreadWriter) -> None:
    aside = path.with_name("aside")
    path.rename(aside)
    with pytest.raises(BookUnwritable):
        await stamp(writer)
    aside.rename(path)
    await stamp(writer)
    assert await stamps(writer) == 1


async def test_what_sqlite_itself_does_with_its_files_is_no_replacement(path: Path, writer: ThreadWriter) -> None:
    """Readers come and go, and the log of writes is emptied into the book."""
    for mode in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
        with sqlite3.connect(path) as reader:
            reader.execute(f"PRAGMA wal_checkpoint({mode})")
        reader.close()
        await writer.transact(lambda connection: connection.execute("DELETE FROM book_halts"))
    await stamp(writer)
    assert await stamps(writer) == 1


async def test_a_book_opened_by_a_link_is_watched_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "book.db"
    link.symlink_to(tmp_path / "there" / "book.db")
    writer = await ThreadWriter.open(link)
    try:
        await stamp(writer)
        (tmp_path / "there" / "book.db-wal").unlink()
        with pytest.raises(BookUnwritable):
            await writer.transact(lambda connection: connection.execute("DELETE FROM book_halts"))
    finally:
        await writer.close()
