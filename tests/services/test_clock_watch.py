"""A clock that is wrong beside the broker's stops entries, and nothing else."""

from datetime import timedelta
from pathlib import Path

import pytest
from builders import Market, a_machine, an_unwritable_book
from test_reconciliation import hold, refused_by

from trader.domain.decision import Rule
from trader.domain.events import JournalType, Tick
from trader.domain.rules import LARGEST_SKEW

A_BIT = timedelta(milliseconds=1)


async def skewed(market: Market, skew: timedelta) -> None:
    await market.handle(Tick(skew))


@pytest.mark.parametrize("sign", [1, -1])
async def test_no_entry_beyond_the_largest_skew_until_it_is_back(tmp_path: Path, sign: int) -> None:
    async with a_machine(tmp_path) as market:
        await skewed(market, sign * (LARGEST_SKEW + A_BIT))
        assert refused_by(await market.submit("QQQ", 0.8)) is Rule.CLOCK_DIFFERS
        await skewed(market, sign * LARGEST_SKEW)
        assert (await market.submit("QQQ", 0.8)).ticket is not None


async def test_exits_go_on_while_the_clocks_differ(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        await skewed(market, timedelta(seconds=-90))
        await market.bar(closes={"AAPL": 195.0})
        await market.bar()
        assert market.held() == {}


async def test_a_tick_without_a_word_of_the_brokers_clock_opens_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await skewed(market, timedelta(seconds=5))
        await market.handle(Tick())
        assert refused_by(await market.submit("QQQ", 0.8)) is Rule.CLOCK_DIFFERS


async def test_it_is_said_once_with_the_number_and_the_way_out(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for seconds in (3.0, 3.2, 0.1):
            await skewed(market, timedelta(seconds=seconds))
        [line] = market.log.said("CLOCK DIFFERS")
        assert "the broker's clock is +3.0 s beside this host's" in line
        assert "timedatectl" in line
        assert len(market.log.said("CLOCK AGREES again")) == 1
        assert market.journaled(JournalType.CLOCK_DIFFERS) == market.journaled(JournalType.CLOCK_AGREES) == 1


async def test_the_gate_closes_also_where_it_cannot_be_written_and_it_is_told_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            await skewed(market, timedelta(seconds=3))
            assert Rule.CLOCK_DIFFERS in market.engine.trading.gate.why
        await skewed(market, timedelta(seconds=3))
        assert market.journaled(JournalType.CLOCK_DIFFERS) == 1


async def test_that_they_agree_again_is_in_the_journal_before_the_first_entry_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await skewed(market, timedelta(seconds=3))
        with an_unwritable_book(monkeypatch):
            await skewed(market, timedelta(seconds=0))
        await market.bar({"QQQ": 0.8})
        assert (await market.submit("AAPL", 0.8)).ticket is not None
        told = [type_ for (type_,) in market.sql("SELECT type FROM book_events ORDER BY seq")]
        assert told.index("clock_differs") < told.index("clock_agrees") < told.index("order_created")
