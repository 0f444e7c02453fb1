"""Incident 4: after a restart the registry of exits was empty; no exits, no entries, no warning.

Here the levels are columns of the position, the registry is a view of them, and a start reads nothing else.
"""

from pathlib import Path

import pytest
from builders import Market, a_machine

from trader.domain.consistency import Consistency, consistency_of, gaps_between
from trader.domain.decision import Rule
from trader.domain.errors import BookBroken, BookRefused
from trader.domain.events import JournalType

SIX = ("AAPL", "MSFT", "JD", "NVDA", "QQQ", "TSLA")


async def hold_all_there_may_be(market: Market) -> None:
    """As many positions as the limit allows, none of which has been filled since the start that follows."""
    market.prices |= {"NVDA": 150.0, "TSLA": 300.0}
    await market.bar()
    await market.bar(dict.fromkeys(SIX, 0.8))
    await market.bar()
    assert len(market.held()) == 6


async def write(market: Market, statement: str) -> None:
    """Change the book behind the engine's back."""
    await market.book.writer.transact(lambda book: book.execute(statement))


def consistency(market: Market) -> Consistency:
    """The ledger on the file against what the running scanner has armed."""
    scan = market.engine.trading.exits.last
    return consistency_of(market.held(), gaps_between(market.held(), scan.armed, scan.unarmed))


async def test_after_a_restart_every_exit_is_armed_before_anything_is_filled(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold_all_there_may_be(market)
        before = market.sql("SELECT * FROM armed_exits ORDER BY symbol")
        await market.restart()
        assert market.sql("SELECT * FROM armed_exits ORDER BY symbol") == before
        assert market.engine.trading.exits.last.armed == market.held()
        assert consistency(market) is Consistency.CONSISTENT


async def test_exits_fire_and_entries_resume_with_every_slot_taken(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold_all_there_may_be(market)
        await market.restart()
        await market.bar()
        market.prices["SPY"] = 600.0
        await market.bar()
        refusal = (await market.submit("SPY", 0.8)).refusal
        assert refusal is not None
        assert refusal.rule is Rule.OPEN_POSITIONS
        await market.bar(closes={"AAPL": 195.0, "MSFT": 415.0})
        await market.bar()
        assert set(market.held()) == {"JD", "NVDA", "QQQ", "TSLA"}
        assert market.sql("SELECT symbol, exit_reason FROM round_trips ORDER BY symbol") == [
            ("AAPL", "stop"),
            ("MSFT", "take_profit"),
        ]
        assert (await market.submit("SPY", 0.8)).ticket is not None
        market.check()


async def test_restarts_without_a_fill_between_lose_no_level(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold_all_there_may_be(market)
        levels = market.sql("SELECT * FROM armed_exits ORDER BY symbol")
        for _ in range(10):
            await market.restart()
            await market.bar()
        assert market.sql("SELECT * FROM armed_exits ORDER BY symbol") == levels
        assert consistency(market) is Consistency.CONSISTENT
        assert market.journaled(JournalType.ORDER_CREATED) == 6, "and nothing was ordered"


async def test_a_level_cannot_be_taken_away_from_a_position(tmp_path: Path) -> None:
    """The deeper cause: an entry whose levels were null was never seeded."""
    async with a_machine(tmp_path) as market:
        await hold_all_there_may_be(market)
        for column in ("stop_micros", "take_profit_micros", "entry_micros", "initial_stop_micros"):
            with pytest.raises(BookRefused, match="no_position_without_exits"):
                await write(market, f"UPDATE book_positions SET {column} = NULL")  # noqa: S608  (our names)


async def test_a_book_that_cannot_be_read_is_no_empty_book(tmp_path: Path) -> None:
    """The deeper cause: an unreadable snapshot read as {} and deleted every level."""
    async with a_machine(tmp_path) as market:
        await hold_all_there_may_be(market)
        await write(market, "DELETE FROM book_lots WHERE symbol = 'AAPL'")
        with pytest.raises(BookBroken, match="AAPL has"):
            await market.restart()
        assert len(market.held()) == 6


async def test_a_planted_gap_shows(tmp_path: Path) -> None:
    """A diagnosis that cannot fail says nothing: rows behind the daemon's back have to be seen."""
    async with a_machine(tmp_path) as market:
        await hold_all_there_may_be(market)
        held = market.held()
        scan = market.engine.trading.exits.last

        def with_scan(**armed: int) -> Consistency:
            return consistency_of(held, gaps_between(held, {**scan.armed, **armed}, {}))

        assert consistency(market) is Consistency.CONSISTENT
        assert with_scan(AAPL=0) is Consistency.PARTIAL
        assert with_scan(AAPL=held["AAPL"] - 1) is Consistency.PARTIAL
        assert with_scan(XYZ=1) is Consistency.PARTIAL
        assert with_scan(**dict.fromkeys(held, 0)) is Consistency.CRITICAL
        await write(market, "UPDATE book_positions SET quantity = quantity - 1 WHERE symbol = 'AAPL'")
        assert consistency(market) is Consistency.PARTIAL


async def test_levels_that_lived_in_memory_alone_would_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The incident's own cause, planted: a scanner that watches what was filled in this life. The ledger shows it."""
    async with a_machine(tmp_path) as market:
        await hold_all_there_may_be(market)
        await market.restart()
        forgetful = market.engine.trading.exits
        monkeypatch.setattr(forgetful, "_look", lambda *_: "not filled in this life")
        await market.bar(closes={"AAPL": 195.0})
        assert consistency(market) is Consistency.CRITICAL
        assert len(market.log.said("EXITS NOT WATCHED")) == 6
