"""Late is refused, three times late in a day is disabled, and nothing of it touches exits or signals from outside."""

from datetime import timedelta
from pathlib import Path

import pytest
from builders import MONDAY, Market, a_machine, an_unwritable_book, assert_sound, session_of

from trader.domain.events import CommandName, StrategySilent

NAME = "test"
KEY = f"strategy:{NAME}"


async def be_late(market: Market, times: int = 1) -> None:
    for _ in range(times):
        await market.handle(StrategySilent(market.now, "no answer within 1 s", 1.02, 1.0))


async def test_late_is_refused_with_what_was_measured(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await be_late(market)
        await market.command(CommandName.HALT)
        assert market.sql("SELECT symbol, source, rule, measured, limit_value FROM signals") == [
            ("?", NAME, "strategy_late", 1.02, 1.0)
        ]


async def test_three_times_late_in_a_day_is_disabled_until_resume_also_over_a_restart(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await be_late(market, 2)
        assert market.engine.book.halts == {}
        await be_late(market)
        assert list(market.engine.book.halts) == [KEY]
        await market.restart()
        assert "late 3 times" in market.engine.book.halts[KEY].reason
        await market.bar({"AAPL": 0.95})
        assert market.working() == []
        await market.command(CommandName.RESUME, "strategy", NAME)
        assert market.rules()[-1] == "halted"
        await market.bar({"AAPL": 0.95})
        assert market.working() == [("BUY", "AAPL")]
        await assert_sound(market)


async def test_a_disabled_strategy_keeps_no_exit_and_no_signal_from_outside(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"AAPL": 0.95})
        await market.bar()
        assert list(market.held()) == ["AAPL"]
        await be_late(market, 3)
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 0.97})
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 0.97})
        await market.bars(2)
        assert market.held() == {}
        await market.submit("MSFT", 0.95)
        await market.bar()
        assert list(market.held()) == ["MSFT"]


async def test_times_late_are_those_of_one_day(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await be_late(market, 2)
        await market.jump(session_of(MONDAY + timedelta(days=1)).opens_at)
        await be_late(market, 2)
        assert market.engine.book.halts == {}


async def test_after_resume_it_is_counted_anew(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await be_late(market, 3)
        await market.command(CommandName.RESUME, "strategy", NAME)
        await be_late(market, 2)
        assert market.engine.book.halts == {}


async def test_what_could_not_be_written_is_counted_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await be_late(market, 2)
        with an_unwritable_book(monkeypatch):
            await be_late(market)
        assert market.engine.book.halts == {}
        await market.wait(1)
        assert list(market.engine.book.halts) == [KEY]


async def test_its_own_end_is_refused_by_another_name_and_disables_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for _ in range(5):
            await market.handle(StrategySilent(market.now, "its process ended with exit code 3"))
        await market.command(CommandName.HALT)
        assert set(market.rules()) == {"strategy_ended"}
        assert KEY not in market.engine.book.halts


async def test_a_strategy_may_be_halted_by_its_name_and_by_no_other(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        assert await market.command(CommandName.HALT, "strategy", "Other") == "refused: the strategy here is test"
        assert (await market.command(CommandName.HALT, "strategy", NAME)).startswith("entries halted: strategy:test")
        assert (await market.command(CommandName.FLATTEN, "strategy", NAME)).startswith("refused")
        await market.bar({"AAPL": 0.95})
        await market.command(CommandName.RESUME, "strategy", NAME)
        assert market.rules() == ["halted"]
