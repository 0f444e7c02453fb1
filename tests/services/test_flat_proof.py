"""After the close flat is proven, with its evidence, or somebody is paged until it is so."""

from datetime import timedelta
from pathlib import Path

from builders import MONDAY, Market, a_fill, a_machine, new_york

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Side
from trader.domain.events import JournalType
from trader.domain.order import Order

TUESDAY = MONDAY + timedelta(days=1)


def nothing_sells(order: Order) -> Treatment:
    return Treatment(parts=(0,), ignore_cancel=True) if order.side is Side.SELL else Treatment()


async def left_over_the_close(market: Market) -> None:
    """A position that does not get out before the close."""
    await market.bar({"AAPL": 0.8})
    await market.bar()
    market.script = nothing_sells
    await market.bars_until("16:00")
    assert set(market.held()) == {"AAPL"}


def pages(market: Market) -> int:
    return market.journaled(JournalType.NOT_FLAT)


async def test_flat_is_proven_once_with_its_evidence(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40") as market:
        await market.bar({"AAPL": 0.8})
        await market.bars_until("16:00")
        assert market.sql(
            "SELECT json_extract(data, '$.positions', '$.orders') FROM events WHERE type = 'flat_proven'"
        ) == [("[0,0]",)]
        assert pages(market) == 0


async def test_every_bar_pages_before_the_close_and_no_tick_between(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40") as market:
        await left_over_the_close(market)
        paged = pages(market)
        assert 5 <= paged <= 6
        for _ in range(50):
            await market.wait(0.1)
        assert pages(market) == paged


async def test_after_the_close_it_pages_until_it_is_flat(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40") as market:
        await left_over_the_close(market)
        paged = pages(market)
        for _ in range(8):
            await market.wait(15 * 60)
        assert pages(market) == paged + 8
        assert market.journaled(JournalType.FLAT_PROVEN) == 0


async def test_a_start_after_the_close_reports_and_the_next_open_closes_before_any_entry(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40") as market:
        await left_over_the_close(market)
        market.clock.set(new_york("20:00"))
        await market.restart()
        assert market.log.said("NOT FLAT")
        market.clock.set(new_york("08:00", TUESDAY))
        await market.restart()
        assert market.log.said("HELD WHILE CLOSED AAPL")
        market.script = lambda _: Treatment()
        market.clock.set(new_york("09:30", TUESDAY))
        await market.bar({"MSFT": 0.8})
        await market.bar()
        assert set(market.held()) == {"MSFT"}
        sides = [(side, symbol) for side, symbol, _ in market.trades()[1:]]
        assert sides == [("SELL", "AAPL"), ("BUY", "MSFT")]
        market.check()


async def test_positions_on_a_day_without_a_session_are_told_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40") as market:
        await left_over_the_close(market)
        saturday = MONDAY + timedelta(days=5)
        await market.jump(new_york("12:00", saturday))
        await market.jump(new_york("13:00", saturday))
        assert len(market.log.said("HELD WHILE CLOSED AAPL")) == 1


async def test_what_comes_after_the_proof_is_paged_until_flat_is_proven_again(tmp_path: Path) -> None:
    """A late execution, or shares that are adopted."""
    async with a_machine(tmp_path, clock="15:54") as market:
        await market.bars_until("16:00")
        assert market.journaled(JournalType.FLAT_PROVEN) == 1
        late = a_fill("AAPL", 10, 200.0, at=market.now)
        await market.report(late)
        await market.wait(15 * 60)
        assert market.log.said(f"NOT FLAT {MONDAY}: AAPL 10")
        assert pages(market) == 2
        await market.report(a_fill("AAPL", 10, 200.0, side=Side.SELL, at=market.now))
        await market.wait(15 * 60)
        assert (pages(market), market.journaled(JournalType.FLAT_PROVEN)) == (2, 2)
