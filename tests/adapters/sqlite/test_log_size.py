"""The log of writes has its working size before the first commit, and nothing of what made it so is in the book."""

import sqlite3
from pathlib import Path

from trader.adapters.sqlite.database import ThreadWriter, connect
from trader.adapters.sqlite.log_size import grow_log

_STAMP = "INSERT INTO book_stamp VALUES (1, 'paper', 'DU1', 1, 1, 1, 0)"


def _size(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size


async def test_a_commit_does_not_make_the_log_longer(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    writer = await ThreadWriter.open(path)
    before = _size(path)
    await writer.transact(lambda connection: connection.execute(_STAMP))
    assert _size(path) == before >= 1_000 * 4096
    await writer.close()


def test_the_book_has_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with_log = connect(path)
    tables, pages = _content(with_log), path.stat().st_size
    grow_log(with_log, path)
    assert (_content(with_log), path.stat().st_size) == (tables, pages)
    assert with_log.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with_log.close()


def test_what_a_crash_leaves_of_it_is_the_book_as_it_was_committed(tmp_path: Path) -> None:
    path, found = tmp_path / "book.db", tmp_path / "found.db"
    connection = connect(path)
    grow_log(connection, path)
    connection.execute(_STAMP)
    for suffix in ("", "-wal"):
        Path(f"{found}{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    connection.close()
    after = connect(found)
    assert after.execute("SELECT book_id FROM book_stamp").fetchall() == [("DU1",)]
    assert after.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    after.close()


def test_a_log_that_has_its_size_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    first, second = connect(path), connect(path)
    grow_log(first, path)
    before = _size(path)
    first.execute(_STAMP)
    grow_log(second, path)
    assert _size(path) == before
    second.close()
    first.close()


def test_a_disk_without_room_for_it_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    connection = connect(path)
    connection.execute("PRAGMA max_page_count = 100")  # the answer is as of a full disk: SQLITE_FULL
    grow_log(connection, path)
    connection.execute(_STAMP)
    assert not connection.in_transaction
    assert connection.execute("PRAGMA cache_size").fetchone() == (-2000,)
    connection.close()


def _content(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
