"""Alarms are rows first: written with what has caused them, counted while they repeat, kept when they are seen."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import Market, a_machine, an_unwritable_book, off

from trader.domain.alarm import AlarmType
from trader.domain.errors import BookError
from trader.domain.events import CommandName, Evidence, EvidenceGiven


async def raised(market: Market, what: str, type_: AlarmType = AlarmType.CHORE_FAILED, about: str = "backup") -> None:
    market.engine.alarm(type_, about, what)
    await market.settle()


def rows(market: Market) -> list[tuple[object, ...]]:
    return market.sql("SELECT type, subject, text, count, state FROM alarms ORDER BY id")


async def test_an_alarm_is_written_with_what_has_caused_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await raised(market, "no space")
        assert rows(market) == [("chore_failed", "backup", "no space", 1, "open")]
        [(seq, data)] = market.sql("SELECT seq, data FROM events WHERE type = 'alarm'")
        assert market.one("SELECT id FROM alarms") == seq
        assert data == '{"about":"backup","alarm":"chore_failed","what":"no space"}'


async def test_no_alarm_outlives_the_step_that_was_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            await raised(market, "no space")
            assert rows(market) == []
        await market.wait(1)
        assert {row[0] for row in rows(market)} == {"book_unwritable", "chore_failed"}


async def test_repeats_within_an_hour_are_one_alarm_with_the_newest_words(tmp_path: Path) -> None:
    async with a_machine(tmp_path, breakers=off("exceptions")) as market:
        for minute in range(3):
            await raised(market, f"failure {minute}")
            await market.wait(59 * 60)
        assert rows(market) == [("chore_failed", "backup", "failure 2", 3, "open")]
        [(first, last)] = market.sql("SELECT first_us, last_us FROM book_alarms")
        assert last - first == 2 * 59 * 60 * 10**6
        await market.wait(2 * 60)
        await raised(market, "much later")
        assert [row[3] for row in rows(market)] == [3, 1]


async def test_another_type_or_subject_is_another_alarm(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await raised(market, "x", about="backup")
        await raised(market, "x", about="verify")
        await raised(market, "x", AlarmType.BROKER_DOWN, about="backup")
        assert len(rows(market)) == 3


async def test_one_that_was_seen_counts_its_repeats_in_silence_and_is_kept(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await raised(market, "x")
        number = market.one("SELECT id FROM alarms")
        answer = await market.command(CommandName.ACKNOWLEDGE, alarms=(number,))
        assert answer == f"acknowledged: {number}"
        await raised(market, "x")
        assert rows(market) == [("chore_failed", "backup", "x", 2, "acknowledged")]
        assert market.one("SELECT acknowledged_by FROM alarms") == "operator"
        refused = await market.command(CommandName.ACKNOWLEDGE)
        assert refused.startswith("refused: no alarm is named")


async def test_an_acknowledgement_is_of_ones_own_account(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await raised(market, "x")
    async with a_machine(tmp_path, account={"name": "tiny"}) as other:
        await raised(other, "x")
        number = other.one("SELECT id FROM alarms WHERE account = 'paper'")
        await other.command(CommandName.ACKNOWLEDGE, alarms=(number, other.one("SELECT max(id) FROM alarms")))
        assert sorted(other.sql("SELECT account, state FROM alarms WHERE type = 'chore_failed'")) == [
            ("paper", "open"),
            ("tiny", "acknowledged"),
        ]


async def test_a_drift_is_an_alarm_of_its_symbol(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        answer = EvidenceGiven((), Evidence((), frozenset(), {}, {"QQQ": 7}))
        for _ in range(3):
            await market.handle(answer)
            await market.wait(60)
        assert [row[:2] for row in rows(market)] == [("drift", "QQQ")]


async def test_what_raises_nothing_writes_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        statements: list[str] = []
        await market.book.writer.transact(lambda book: book.set_trace_callback(statements.append))
        await market.bars(3, {"QQQ": 0.8})
        assert any("INSERT INTO book_fills" in statement for statement in statements)
        assert not [statement for statement in statements if "book_alarms" in statement]


async def test_an_acknowledgement_needs_a_name_and_rows_are_kept(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await raised(market, "x")
        for statement, rule in (
            ("DELETE FROM book_alarms", "alarms_are_kept"),
            ("UPDATE book_alarms SET acknowledged_us = 1", "acknowledged_by_somebody"),
            ("UPDATE book_alarms SET severity = 'bad'", "severity"),
            ("UPDATE book_alarms SET count = 0", "count >= 1"),
            ("INSERT INTO book_deliveries VALUES (1, 'paper', 10000, 'phone', 1, 1, 0)", "FOREIGN KEY"),
        ):
            with pytest.raises(BookError, match=rule):
                await market.book.writer.transact(_executes(statement))
        delivered = "INSERT INTO book_deliveries SELECT 1, account, seq, 'phone', 1, 1, 0 FROM book_alarms"
        await market.book.writer.transact(_executes(delivered))
        for statement in ("UPDATE book_deliveries SET count = 2", "DELETE FROM book_deliveries"):
            with pytest.raises(BookError, match="deliveries_are_append_only"):
                await market.book.writer.transact(_executes(statement))


def _executes(statement: str) -> Callable[[sqlite3.Connection], object]:
    return lambda book: book.execute(statement)
