"""When the log of writes is taken into the book."""

from contextlib import closing
from pathlib import Path

from trader.adapters.sqlite.database import connect

_MEGABYTE = 1024 * 1024


def test_the_log_grows_to_four_thousand_pages_and_no_further(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with closing(connect(path)) as book:
        book.execute("PRAGMA synchronous = OFF")  # the disk is not what is tested
        book.execute("CREATE TABLE filling (page BLOB)")
        for _ in range(60):
            book.execute("BEGIN")
            book.executemany("INSERT INTO filling VALUES (?)", [(bytes(4000),)] * 100)
            book.execute("COMMIT")
        size = (tmp_path / "book.db-wal").stat().st_size
        assert 15 * _MEGABYTE < size < 18 * _MEGABYTE
