"""What bars one symbol from entries, or pages, while everything else goes on."""

from datetime import date
from pathlib import Path

import pytest
from builders import MINUTE, Market, a_bar, a_machine, new_york, session_of

from trader.domain.events import CommandName, JournalType
from trader.domain.market import BarTime

TUESDAY = date(2025, 6, 24)


async def next_morning(market: Market, **opens: float) -> None:
    """Let the night pass; the first bar of each symbol opens here."""
    market.prices.update(opens)
    market.clock.set(session_of(TUESDAY).opens_at)
    await market.bar()


# -- splits --------------------------------------------------------------------------------------------------------


async def test_a_price_that_fits_a_split_bars_its_symbol_until_a_person_has_looked(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await next_morning(market, AAPL=100.0)
        assert "2:1 split" in market.one("SELECT reason FROM book_halts WHERE target = 'AAPL'")
        assert len(market.log.said("SPLIT? AAPL")) == 1
        await market.bars(3, {"AAPL": 0.8, "MSFT": 0.8})
        assert "AAPL" not in market.held()
        assert "MSFT" in market.held()
        await market.restart()
        await market.bars(2, {"AAPL": 0.8})
        assert "AAPL" not in market.held()
        await market.command(CommandName.RESUME, "symbol", "AAPL")
        await market.bars(2, {"AAPL": 0.8})
        assert "AAPL" in market.held()


async def test_a_night_without_a_split_bars_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await next_morning(market, AAPL=170.0, MSFT=460.0)
        assert market.sql("SELECT * FROM book_halts") == []


async def test_a_jump_within_the_session_is_no_split(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.prices["AAPL"] = 100.0
        await market.bar()
        assert market.sql("SELECT * FROM book_halts") == []


async def test_a_symbol_that_opens_late_is_compared_with_its_own_last_price(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.clock.set(session_of(TUESDAY).opens_at)
        await market.play(BarTime(market.now + MINUTE, MINUTE, (a_bar("QQQ", 500.0, start=market.now),)))
        assert market.sql("SELECT * FROM book_halts") == []
        await market.play(BarTime(market.now + MINUTE, MINUTE, (a_bar("AAPL", 100.0, start=market.now),)))
        assert market.sql("SELECT target FROM book_halts") == [("AAPL",)]


async def test_data_with_a_hole_of_weeks_show_no_split(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.prices["AAPL"] = 100.0
        market.clock.set(session_of(date(2025, 8, 4)).opens_at)
        await market.bar()
        assert market.sql("SELECT * FROM book_halts") == []


async def test_shares_that_fit_a_split_are_said_to_at_the_start(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        held = market.held()["AAPL"]
        market.broker._positions["AAPL"] = 2 * held
        await market.restart(keep_broker=True)
        assert "fits a 2:1 split" in market.log.said("DRIFT AAPL")[0]


@pytest.mark.parametrize(("at_broker", "price"), [((2, 1), 100_000_000), ((1, 10), 10_000)])
async def test_the_way_out_of_a_split_that_is_named_leads_out(
    tmp_path: Path, at_broker: tuple[int, int], price: int
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        new, old = at_broker
        market.broker._positions["AAPL"] = market.held()["AAPL"] * new // old
        await market.restart(keep_broker=True)
        await market.bar()
        way_out = market.engine.book.drift["AAPL"].way_out
        assert "after a split close it then: `trader flatten --symbol AAPL`" in way_out
        name = CommandName.ADOPT if new > old else CommandName.ADJUST
        assert f"`trader {'adopt AAPL' if new > old else 'adjust --missing AAPL'}" in way_out
        assert not (await market.command(name, target="AAPL", price_micros=price)).startswith("refused")
        await market.command(CommandName.FLATTEN, "symbol", "AAPL")
        await market.bars(2)
        assert (market.held(), market.at_broker()) == ({}, {})
        assert market.engine.book.drift == {}
        market.check()


# -- halted symbols ------------------------------------------------------------------------------------------------


async def test_a_symbol_without_bars_while_others_trade_may_not_be_entered(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        halted = market.prices.pop("AAPL")
        await market.bars(4)
        decision = await market.submit("AAPL", 0.8)
        assert decision.refusal is not None
        assert decision.refusal.rule == "symbol_halted"
        market.prices["AAPL"] = halted
        await market.bar()
        assert (await market.submit("AAPL", 0.8)).ticket is not None


async def test_a_feed_that_stands_still_is_a_stale_price_and_no_halt(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.wait(300)
        decision = await market.submit("AAPL", 0.8)
        assert decision.refusal is not None
        assert decision.refusal.rule == "stale_price"


async def test_an_exit_that_does_not_get_done_stays_working_and_pages_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        await market.bar({"AAPL": 0.5})
        halted = market.prices.pop("AAPL")
        await market.bars(10)
        assert market.working() == [("SELL", "AAPL")]
        assert len(market.log.said("EXIT NOT DONE")) == 1
        assert market.journaled(JournalType.ALARM) == 1
        market.prices["AAPL"] = halted
        await market.bars(2)
        assert "AAPL" not in market.held()


async def test_an_exit_that_is_done_at_once_pages_nobody(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        await market.bars(10, {"AAPL": 0.5})
        assert market.held() == {}
        assert market.journaled(JournalType.ALARM) == 0


# -- day trades ----------------------------------------------------------------------------------------------------


async def round_trip(market: Market, symbol: str) -> None:
    """Buy and sell within a few minutes."""
    await market.bars(2, {symbol: 0.8})
    await market.bars(2, {symbol: 0.5})
    assert symbol not in market.held()


async def test_day_trades_refuse_when_they_are_used_up(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"max_day_trades_5d": 2}) as market:
        await round_trip(market, "AAPL")
        await round_trip(market, "MSFT")
        refusal = (await market.submit("JD", 0.8)).refusal
        assert refusal is not None
        assert (refusal.rule, refusal.measured, refusal.limit) == ("day_trades", 2, 2)


async def test_what_is_held_will_be_a_day_trade_by_the_evening(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"max_day_trades_5d": 2}) as market:
        await market.bars(2, {"AAPL": 0.8, "MSFT": 0.8, "JD": 0.8})
        assert set(market.held()) == {"AAPL", "MSFT"}


async def test_day_trades_are_counted_from_the_book_after_a_restart(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"max_day_trades_5d": 1}) as market:
        await round_trip(market, "AAPL")
        await market.restart()
        await market.bar()
        refusal = (await market.submit("MSFT", 0.8)).refusal
        assert refusal is not None
        assert refusal.rule == "day_trades"


async def test_day_trades_count_for_five_sessions(tmp_path: Path) -> None:
    """Of Monday until Friday; on the next Monday they are forgotten, after a restart too."""
    async with a_machine(tmp_path, limits={"max_day_trades_5d": 1}) as market:
        await round_trip(market, "AAPL")
        market.clock.set(new_york("10:00", date(2025, 6, 27)))
        await market.bars(2, {"MSFT": 0.8})
        assert market.held() == {}
        market.clock.set(new_york("10:00", date(2025, 6, 30)))
        await market.restart()
        await market.bars(2, {"MSFT": 0.8})
        assert set(market.held()) == {"MSFT"}


async def test_without_the_setting_day_trades_are_not_limited(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for _ in range(5):
            await round_trip(market, "AAPL")
        assert len(market.sql("SELECT * FROM round_trips")) == 5
