"""While what runs is not what lies on the disk no entry leaves, unless that is set otherwise; exits go on."""

from pathlib import Path

import pytest
from builders import Market, a_machine, an_unwritable_book

from trader.domain.decision import Rule
from trader.domain.events import JournalType, VersionCompared

CHANGED = VersionCompared("trader/pipeline/size.py changed")
SAME = VersionCompared("")


async def entered(market: Market, symbol: str) -> bool:
    decision = await market.submit(symbol, 0.95)
    return decision.ticket is not None and decision.refusal is None


async def test_entries_stop_while_the_files_differ_and_exits_go_on(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        assert await entered(market, "AAPL")
        await market.bar()
        assert list(market.held()) == ["AAPL"]
        await market.handle(CHANGED)
        decision = await market.submit("MSFT", 0.95)
        assert decision.refusal is not None
        assert decision.refusal.rule is Rule.VERSION_DIFFERS
        assert "trader/pipeline/size.py changed" in decision.refusal.detail
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 0.97})
        await market.bar()
        await market.bars(2)
        assert market.held() == {}
        await market.handle(SAME)
        assert await entered(market, "MSFT")


async def test_entries_go_on_where_it_is_set_so_and_it_is_said_all_the_same(tmp_path: Path) -> None:
    async with a_machine(tmp_path, version={"stops_entries": False}) as market:
        await market.handle(CHANGED)
        assert [line for line in market.log.errors if line.startswith("VERSION DIFFERS")]
        assert await entered(market, "AAPL")


async def test_it_is_journaled_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.handle(CHANGED)
        await market.handle(CHANGED)
        await market.handle(SAME)
        await market.handle(SAME)
        assert market.journaled(JournalType.VERSION_DIFFERS) == market.journaled(JournalType.VERSION_AGREES) == 1
        assert len(market.log.said("VERSION")) == 2


async def test_what_could_not_be_written_is_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            await market.handle(CHANGED)
        assert Rule.VERSION_DIFFERS in market.engine.trading.gate.why
        await market.wait(1)
        assert market.journaled(JournalType.VERSION_DIFFERS) == 1
