"""A start verifies the chain from the last sealed session; all of it is looked at by `doctor --full` and a chore."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import Market, a_machine

from trader.adapters.sqlite.journal import BEGINNING, last_seal
from trader.adapters.sqlite.soundness import chain_findings
from trader.domain.errors import BookBroken
from trader.domain.events import JournalType


async def sealed(market: Market) -> int:
    """A run that ends in order, and another one that begins; the number of the event that sealed the first."""
    await market.bars(3, {"AAPL": 0.8})
    await market.engine.mark(JournalType.RUN_STOPPED, reason="a test")
    seal = int(market.one("SELECT max(seq) FROM book_events"))
    await market.restart()
    await market.bars(2, {"MSFT": 0.8})
    return seal


def tampered(path: Path, seq: int) -> None:
    """Change one event behind the project's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as book:
        book.execute("DROP TRIGGER events_are_append_only_u")
        book.execute("UPDATE book_events SET data = json_set(data, '$.x', 1) WHERE seq = ?", (seq,))


async def test_what_was_changed_since_the_seal_is_found_at_the_start(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        seal = await sealed(market)
        await market.book.store.check_newest_events()
        tampered(market.path, seal + 1)
        with pytest.raises(BookBroken, match=f"event {seal + 1}"):
            await market.book.store.check_newest_events()


async def test_the_first_event_after_the_seal_is_bound_to_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        seal = await sealed(market)
        with closing(sqlite3.connect(market.path, isolation_level=None)) as book:
            book.execute("DROP TRIGGER events_are_append_only_u")
            book.execute("UPDATE book_events SET hash = ? WHERE seq = ?", ("f" * 64, seal))
        with pytest.raises(BookBroken, match=f"event {seal + 1}"):
            await market.book.store.check_newest_events()


async def test_what_was_changed_before_the_seal_is_found_by_looking_at_all(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await sealed(market)
        tampered(market.path, 2)
        await market.book.store.check_newest_events()
        assert chain_findings(market.reader, full=False)[1] == []
        events, findings = chain_findings(market.reader, full=True)
        assert [finding.what for finding in findings] == ["event 2"]
        assert events == market.one("SELECT count(*) FROM book_events")


async def test_a_book_that_was_never_sealed_is_looked_at_from_its_beginning(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        assert last_seal(market.reader, "paper") == BEGINNING
        tampered(market.path, 1)
        with pytest.raises(BookBroken, match="event 1"):
            await market.book.store.check_newest_events()


async def test_a_journal_that_was_cut_off_at_its_end_is_found_at_the_start(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await sealed(market)
        newest = market.one("SELECT max(seq) FROM book_events")
        with closing(sqlite3.connect(market.path, isolation_level=None)) as book:
            book.execute("DROP TRIGGER events_are_append_only_d")
            book.execute("DELETE FROM book_events WHERE seq = ?", (newest,))
        with pytest.raises(BookBroken, match=f"event {newest} missing"):
            await market.book.store.check_newest_events()
