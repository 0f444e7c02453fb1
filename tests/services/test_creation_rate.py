"""Positions that are created too fast stop entries, whatever each of them is good for (incident 3)."""

from datetime import timedelta
from pathlib import Path

import pytest
from builders import OFTEN, Market, a_machine, assert_sound, new_york

from trader.domain.breaker import Breaker
from trader.domain.decision import Refusal, Rule, Stage
from trader.domain.events import CommandName, JournalType


async def opened_and_closed(market: Market, symbol: str, minutes: int) -> None:
    """A position that comes and goes, in so many minutes."""
    await market.bar({symbol: 0.9})
    await market.bar({symbol: 0.1})
    await market.bars(minutes - 2)


async def refusal_of(market: Market, symbol: str) -> Refusal:
    decision = await market.submit(symbol, 0.9)
    assert decision.refusal is not None
    return decision.refusal


def created(market: Market) -> int:
    return sum(line.startswith("Created position") for line in market.log.lines)


@pytest.mark.parametrize("minutes", [5, 30])
async def test_a_symbol_opened_again_and_again_at_regular_intervals_stops_entries(tmp_path: Path, minutes: int) -> None:
    """The incident's rows came every five minutes; slower ones are no better."""
    async with a_machine(tmp_path) as market:
        for _ in range(8):
            await opened_and_closed(market, "AAPL", minutes)
        assert created(market) == 5
        assert market.rules()[0] == "regular_creations"
        refused = "SELECT stage, measured, limit_value FROM signals WHERE rule = 'regular_creations'"
        assert market.sql(refused) == [("sizing", 6, 5)]
        [said] = market.log.said("BREAKER TRIPPED regular_creations")
        assert "6 of one symbol at regular intervals, 5 allowed, the last of AAPL" in said
        assert "account=paper" in said
        assert said in market.log.errors
        assert market.journaled(JournalType.BREAKER_TRIPPED) == 1
        await assert_sound(market)


async def test_two_symbols_are_each_in_a_row_of_their_own(tmp_path: Path) -> None:
    """As in the incident: two instruments, in the same minute, every five."""
    async with a_machine(tmp_path) as market:
        for _ in range(8):
            await market.bar({"AAPL": 0.9, "MSFT": 0.9})
            await market.bar({"AAPL": 0.1, "MSFT": 0.1})
            await market.bars(3)
        assert created(market) == 10
        assert market.log.said("BREAKER TRIPPED") != []


async def test_irregular_positions_of_a_symbol_go_on(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for minutes in (3, 9, 4, 14, 3, 20, 6):
            await opened_and_closed(market, "AAPL", minutes)
        assert (created(market), market.rules()) == (7, [])


async def test_one_more_within_an_hour_than_is_allowed_stops_entries_and_no_exit(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={**OFTEN, "creations_per_hour": 3}) as market:
        await market.bar({"AAPL": 0.9, "MSFT": 0.9, "JD": 0.9})
        refusal = await refusal_of(market, "QQQ")
        assert (refusal.stage, refusal.rule) == (Stage.SIZING, Rule.CREATIONS_PER_HOUR)
        assert (refusal.measured, refusal.limit) == (4, 3), "working entries count"
        await market.bar({"AAPL": 0.1, "MSFT": 0.1, "JD": 0.1})
        await market.bar()
        assert market.held() == {}, "exits go on"
        assert (await refusal_of(market, "QQQ")).rule is Rule.BREAKER


async def test_entries_of_one_bar_count_against_one_another(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={**OFTEN, "creations_per_hour": 2}) as market:
        await market.bar({"AAPL": 0.9, "MSFT": 0.9, "JD": 0.9})
        assert (len(market.working()), market.rules()) == (2, ["creations_per_hour"])


async def test_of_the_signals_of_one_bar_none_passes_after_the_one_that_stops_entries(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"regular_creations": 2}) as market:
        for _ in range(2):
            await opened_and_closed(market, "AAPL", 5)
        await market.bar({"AAPL": 0.9, "MSFT": 0.9})
        assert market.rules() == ["regular_creations", "breaker"]
        assert market.working() == []


async def test_after_an_hour_positions_count_no_more(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={**OFTEN, "creations_per_hour": 2}) as market:
        for _ in range(2):
            await opened_and_closed(market, "AAPL", 5)
        await market.bars(60)
        assert (await market.submit("AAPL", 0.9)).refusal is None


async def test_an_addition_creates_no_position(tmp_path: Path) -> None:
    limits = {"creations_per_hour": 1, "resize_pct": 1.0, "position_pct": 10.0, "minimum_notional": 0}
    async with a_machine(tmp_path, limits=limits) as market:
        await market.bars(2, {"AAPL": 0.9})
        before = market.held()["AAPL"]
        await market.bar(closes={"AAPL": 198.0})
        await market.bars(2, {"AAPL": 0.9})
        assert market.held()["AAPL"] > before
        assert market.log.said("BREAKER TRIPPED") == []


async def test_the_stop_survives_a_restart_and_so_does_what_was_counted(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"regular_creations": 3}) as market:
        for _ in range(2):
            await opened_and_closed(market, "AAPL", 10)
        await market.bars(2, {"AAPL": 0.9})
        await assert_sound(market)
        await market.restart()
        await assert_sound(market)
        await market.bar({"AAPL": 0.1})
        await market.bars(7)
        assert (await refusal_of(market, "AAPL")).rule is Rule.REGULAR_CREATIONS
        await market.restart()
        await market.bar()
        refusal = await refusal_of(market, "MSFT")
        assert (refusal.rule, "positions are created too fast" in refusal.detail) == (Rule.BREAKER, True)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_person_resumes_and_the_count_begins_anew(tmp_path: Path, restarts: bool) -> None:
    async with a_machine(tmp_path, limits={"regular_creations": 2}) as market:
        for _ in range(3):
            await opened_and_closed(market, "AAPL", 5)
        assert market.rules() == ["regular_creations"]
        assert (await market.command(CommandName.RESUME)).startswith("refused"), "a halt is another thing"
        assert "cleared" in await market.command(CommandName.RESUME, breaker=Breaker.REGULAR_CREATIONS)
        await assert_sound(market)
        if restarts:
            await market.restart()
            await market.bars(4)
        for _ in range(2):
            await opened_and_closed(market, "AAPL", 5)
        assert created(market) == 4
        assert market.rules() == ["regular_creations"]
        await opened_and_closed(market, "AAPL", 5)
        assert market.rules() == ["regular_creations", "regular_creations"]


async def test_what_comes_to_be_in_any_other_way_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lets entries through: the executions tell."""
    monkeypatch.setattr("trader.pipeline.size._creation_refusal", lambda *_: None)
    async with a_machine(tmp_path, limits={**OFTEN, "creations_per_hour": 2}) as market:
        await market.bars(2, {"AAPL": 0.9, "MSFT": 0.9, "JD": 0.9})
        assert len(market.held()) == 3
        assert market.log.said("BREAKER TRIPPED") != []
        assert (await refusal_of(market, "QQQ")).rule is Rule.BREAKER


async def test_another_day_begins_anew(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"regular_creations": 2}) as market:
        for _ in range(2):
            await opened_and_closed(market, "AAPL", 5)
        await market.jump(new_york("09:30", market.now.date() + timedelta(days=1)))
        await market.bars(2, {"AAPL": 0.9})
        assert market.held().keys() == {"AAPL"}
        await assert_sound(market)
