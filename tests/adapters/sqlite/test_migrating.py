"""A book of an older schema: copied whole, brought up to date whole, or not touched."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine

from trader.adapters.paper.broker import Treatment
from trader.adapters.sqlite import migrating
from trader.adapters.sqlite.checksums import teach
from trader.adapters.sqlite.database import connect, read_only
from trader.adapters.sqlite.migrating import MIGRATIONS, SCHEMA_VERSION
from trader.adapters.sqlite.projections import compare
from trader.adapters.sqlite.restoring import restore
from trader.adapters.sqlite.soundness import lost_parts
from trader.app.book_checks import check_book
from trader.app.checks import Verdict
from trader.domain.decision import Side
from trader.domain.errors import BookOutdated, BookUnwritable
from trader.domain.events import CommandName

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
        book.execute("DROP TRIGGER new.a_position_only_moves_on")
        book.execute("UPDATE new.book_positions SET state = 'open' WHERE state = 'opening'")
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
        teach(book)
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


async def a_life_begun_by_a_correction(market: Market) -> None:
    await market.bars(2, {"AAPL": 0.8})
    held = market.held()["AAPL"]
    for side, price in ((Side.SELL, 200.0), (Side.BUY, 190.0), (Side.SELL, 190.0), (Side.BUY, 230.0)):
        await market.command(CommandName.ADJUST, fill=a_fill("AAPL", held, price, side=side, at=market.now))


async def a_life_of_an_execution_older_than_the_one_before(market: Market) -> None:
    before = market.now
    await market.bars(3)
    await market.report(a_fill("AAPL", 5, 200.0, at=market.now))
    await market.report(a_fill("AAPL", 5, 200.0, side=Side.SELL, at=market.now))
    await market.report(a_fill("AAPL", 5, 220.0, at=before))


async def round_trips_that_were_corrected(market: Market) -> None:
    """One that never was, as its purchase was busted; one whose sale was corrected; and one as they mostly are."""
    fill = a_fill("JD", 10, 30.0, order_ref="by-hand", commission=0, at=market.now)
    bust = fill._replace(execution_id="B", corrects=(fill.execution_id,), quantity=0)
    again, sold = fill._replace(execution_id="X2"), fill._replace(execution_id="S2", side=Side.SELL)
    for report in (fill, bust, again, sold, sold._replace(execution_id="S3", corrects=("S2",), price_micros=31)):
        await market.report(report)
    await market.report(fill._replace(execution_id="X4"))
    await market.report(sold._replace(execution_id="S4"))
    assert market.sql("SELECT closed_by FROM book_round_trips ORDER BY id") == [("S2",), ("S3",), ("S4",)]


async def an_entry_that_works_on(market: Market) -> None:
    market.script = lambda _: Treatment(parts=(3,))
    await market.bar({"AAPL": 0.8})
    await market.bar()
    assert market.sql("SELECT state FROM positions") == [("opening",)]


@pytest.mark.parametrize(
    "life",
    [
        a_life_begun_by_a_correction,
        a_life_of_an_execution_older_than_the_one_before,
        round_trips_that_were_corrected,
        an_entry_that_works_on,
    ],
)
async def test_a_position_brought_up_to_date_is_what_its_journal_says(
    tmp_path: Path, life: Callable[[Market], Awaitable[None]]
) -> None:
    async with a_machine(tmp_path, signals={"entry_timeout_s": 3600}) as market:
        await life(market)
        path = market.path
    _put_back(path)
    with closing(connect(path)) as book:
        assert compare(book, "paper").findings == []


async def test_an_entry_that_ended_in_part_before_is_what_its_journal_says(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(3,))) as market:
        await market.bars(3, {"AAPL": 0.8})
        assert market.sql("SELECT state FROM positions") == [("open",)]
        path = market.path
    with closing(sqlite3.connect(path)) as book:  # its end left the position's row as it was
        book.execute("UPDATE book_positions SET updated_us = opened_us")
        book.commit()
    _put_back(path)
    with closing(connect(path)) as book:
        assert compare(book, "paper").findings == []


async def test_inputs_of_an_older_book_stay_and_new_ones_are_of_accounts_that_it_has(old: Path) -> None:
    row = "INSERT INTO book_inputs (account, at_us, kind, data) VALUES (?, 1, 'BarTime', '{}')"
    with closing(sqlite3.connect(old, isolation_level=None)) as book:
        book.execute(row, ("paper",))
    with closing(connect(old)) as book:
        assert book.execute("SELECT account, kind FROM book_inputs").fetchall() == [("paper", "BarTime")]
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            book.execute(row, ("large-100k",))
        assert book.execute("PRAGMA foreign_key_check").fetchall() == []


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
