"""A book of an older schema: copied whole, brought up to date whole, or not touched."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import a_machine

from trader.adapters.sqlite import migrating
from trader.adapters.sqlite.database import connect, read_only
from trader.adapters.sqlite.migrating import MIGRATIONS, SCHEMA_VERSION
from trader.adapters.sqlite.projections import compare
from trader.adapters.sqlite.restoring import restore
from trader.adapters.sqlite.soundness import lost_parts
from trader.app.book_checks import check_book
from trader.app.checks import Verdict
from trader.domain.errors import BookOutdated, BookUnwritable

FIRST_SCHEMA = (Path(__file__).with_name("schema_1.sql")).read_text("utf-8")


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """A book of schema 1 in which something was traded."""
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"QQQ": 0.8, "AAPL": 0.8})
        await market.bars(2, {"QQQ": 0.5, "AAPL": 0.8})
        path = market.path
    _put_back(path)
    return path


def _put_back(path: Path) -> None:
    """Give a book the first schema; its rows lose what that had no place for."""
    draft = path.with_suffix(".old")
    with closing(sqlite3.connect(draft, isolation_level=None)) as book:
        book.executescript(FIRST_SCHEMA)
        triggers = book.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        tables = [row[0] for row in book.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        book.execute("ATTACH ? AS new", (str(path),))
        for name, _ in triggers:
            book.execute(f"DROP TRIGGER {name}")
        for table in tables:
            columns = ", ".join(row[1] for row in book.execute(f"PRAGMA main.table_info({table})"))
            book.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")  # noqa: S608
        for _, sql in triggers:
            book.execute(sql)
        book.execute("DETACH new")
        book.execute("PRAGMA user_version = 1")
        book.execute("PRAGMA journal_mode = WAL")
    draft.replace(path)


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as book:
        return [line for line in book.iterdump() if line.startswith("INSERT")]


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as book:
        return int(book.execute("PRAGMA user_version").fetchone()[0])


def test_the_first_schema_and_every_step_make_the_schema_of_a_new_book() -> None:
    with closing(sqlite3.connect(":memory:")) as book:
        book.executescript(FIRST_SCHEMA)
        for number in range(2, SCHEMA_VERSION + 1):
            book.executescript(MIGRATIONS[number])
        assert lost_parts(book) == {}


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert sorted(MIGRATIONS) == list(range(2, SCHEMA_VERSION + 1))


async def test_a_start_copies_an_older_book_and_brings_it_up_to_date(old: Path) -> None:
    before = rows(old)
    with closing(connect(old)) as book:
        [(entry, initial_stop, stop)] = book.execute(
            "SELECT entry_micros, initial_stop_micros, stop_micros FROM book_positions WHERE quantity > 0"
        )
        assert (
            initial_stop
            == stop
            < entry
            == book.execute("SELECT price_micros FROM book_fills WHERE symbol = 'AAPL'").fetchone()[0]
        )
        assert lost_parts(book) == {}
        assert compare(book, "paper").findings == []
        assert book.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert version(old) == SCHEMA_VERSION
    copy = old.with_name(f"{old.name}.schema-1")
    assert (version(copy), rows(copy)) == (1, before)
    assert copy.stat().st_mode & 0o077 == 0


async def test_a_book_that_is_up_to_date_is_not_copied(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.restart()
        assert not market.path.with_name(f"{market.path.name}.schema-1").exists()


async def test_a_book_that_somebody_else_has_open_is_left_alone(old: Path) -> None:
    with closing(sqlite3.connect(old)) as neighbour:
        neighbour.execute("SELECT count(*) FROM book_orders").fetchone()
        with pytest.raises(BookUnwritable, match="nobody else may have it open"):
            connect(old)
    assert version(old) == 1
    connect(old).close()
    assert version(old) == SCHEMA_VERSION


async def test_a_step_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(old)
    with monkeypatch.context() as wrong:
        wrong.setitem(migrating.MIGRATIONS, SCHEMA_VERSION, "CREATE INDEX half ON book_days (day); DROP TABLE nowhere;")
        with pytest.raises(BookUnwritable, match="nowhere"):
            connect(old)
    assert (version(old), rows(old)) == (1, before)
    connect(old).close()
    assert version(old) == SCHEMA_VERSION


async def test_a_reader_of_an_older_book_is_told_what_to_do(old: Path) -> None:
    with pytest.raises(BookOutdated, match="start the trader once"):
        read_only(old)
    [check] = check_book(old, "replay", full=False)
    assert check.verdict is Verdict.WARN


async def test_a_backup_of_an_older_schema_is_restored_and_brought_up_to_date(old: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    restored = folder / "trading_data.db"
    restore(restored, old, "operator")
    assert version(restored) == SCHEMA_VERSION
    assert version(old) == 1
    assert [path.name for path in folder.iterdir()] == ["trading_data.db"]
    with closing(read_only(restored)) as book:
        assert compare(book, "paper").findings == []
