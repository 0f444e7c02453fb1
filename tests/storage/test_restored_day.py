"""A backup of the middle of a day is put back: the book holds what it held then, and no reference is used twice."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import MINUTE, Market, a_bar, a_machine, an_unwritable_book, new_york

from trader.adapters.paper.broker import PaperBroker
from trader.adapters.sqlite.backup import backup
from trader.adapters.sqlite.projections import compare
from trader.adapters.sqlite.restoring import restore
from trader.domain.events import CommandName
from trader.domain.market import BarTime

NOON = new_york("12:00")


def refs(path: Path) -> set[str]:
    """Every order reference in a book."""
    with closing(sqlite3.connect(path)) as book:
        return {ref for (ref,) in book.execute("SELECT order_ref FROM orders")}


async def morning(market: Market) -> Path:
    """AAPL is bought, and the book copied."""
    await market.bars(3, {"AAPL": 0.8})
    return backup(market.path, market.path.parent / "backups", NOON, kept=3)


async def lost_stretch(market: Market) -> None:
    """After the copy AAPL is sold, and MSFT and QQQ are bought."""
    await market.bars(2, {"AAPL": 0.5, "MSFT": 0.8})
    await market.bars(2, {"QQQ": 0.8})
    assert set(market.held()) == {"MSFT", "QQQ"}


async def put_back(market: Market, copy: Path, *, broker: PaperBroker | None = None) -> Path:
    """Stop, restore and start again; gives the book that was there before."""
    await market.stop()
    kept = restore(market.path, copy, "operator").kept
    await market.start(broker=broker)
    assert kept is not None
    return kept


async def test_a_restored_book_holds_what_it_held_and_no_reference_is_used_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        copy = await morning(market)
        then = market.held()
        await lost_stretch(market)
        kept = await put_back(market, copy)
        assert market.held() == then
        await market.command(CommandName.RESUME)
        await market.bars(2, {"JD": 0.8, "AAPL": 0.5, "MSFT": 0.8})
        assert set(market.held()) == {"JD", "MSFT"}
        made_since = refs(market.path) - refs(copy)
        assert len(made_since) == 3
        assert made_since & refs(kept) == set()
        assert all(ref.startswith("paper-2-") for ref in made_since)
        assert compare(market.reader, "paper").findings == []
        market.check()


async def test_no_entry_before_somebody_has_compared_the_restored_book_with_the_broker(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        copy = await morning(market)
        await put_back(market, copy)
        assert market.log.said("DRIFT") == []
        await market.bars(2, {"JD": 0.8})
        assert market.rules()[-1] == "halted"
        assert "JD" not in market.held()


async def test_exits_of_a_restored_book_go_on(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        copy = await morning(market)
        await put_back(market, copy)
        await market.bars(2, {"AAPL": 0.5})
        assert market.held() == {}
        market.check()


async def test_what_was_traded_since_the_backup_is_found_at_the_broker_and_said(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        copy = await morning(market)
        await lost_stretch(market)
        await put_back(market, copy, broker=market.broker)
        assert market.held() == market.at_broker()
        assert len(market.log.said("UNEXPECTED EXECUTION")) > 2, "nobody of this epoch has ordered them"
        market.check()


async def test_a_broker_that_holds_something_else_than_the_restored_book_is_said(tmp_path: Path) -> None:
    """One that does not tell its executions of so long ago."""
    async with a_machine(tmp_path) as market:
        copy = await morning(market)
        await lost_stretch(market)
        market.broker._executions.clear()
        await put_back(market, copy, broker=market.broker)
        assert {symbol for (symbol,) in market.sql("SELECT symbol FROM book_drift")} == {"AAPL", "MSFT", "QQQ"}


async def test_exits_spilled_before_a_restore_are_said_and_not_booked_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are of the epoch that is over, whatever the restored book holds."""
    async with a_machine(tmp_path) as market:
        copy = await morning(market)
        close = market.prices["AAPL"]
        with an_unwritable_book(monkeypatch):
            bar = a_bar("AAPL", close, start=market.now, low=close * 0.975)
            await market.play(BarTime(market.now + MINUTE, MINUTE, (bar,)))
        [spilled] = market.spill.read()
        await put_back(market, copy)
        assert market.held() == {"AAPL": spilled.quantity}
        [said] = market.log.said("SPILLED EXIT")
        assert f"ref={spilled.ref} IS NOT BOOKED: it is of another account or another epoch" in said
        assert spilled.ref not in refs(market.path)
        await market.bars(2, {"AAPL": 0.5})
        assert market.held() == {}
        market.check()


async def test_orders_that_worked_when_the_backup_was_made_are_settled_by_the_broker(tmp_path: Path) -> None:
    """They are live in the backup; their references are of the epoch that is over, and are not used again."""
    async with a_machine(tmp_path) as market:
        await market.bar({"AAPL": 0.8})
        copy = backup(market.path, tmp_path / "backups", NOON, kept=3)
        assert market.working() == [("BUY", "AAPL")]
        await market.bars(2)
        await put_back(market, copy)
        assert market.working() == []
        assert market.one("SELECT count(*) FROM book_locks WHERE released_us IS NULL") == 0
        market.check()
