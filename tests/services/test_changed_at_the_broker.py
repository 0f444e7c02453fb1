"""An order that somebody has changed at the broker is taken back; what is still wanted is placed as the book has it."""

from pathlib import Path

import pytest
from builders import Market, a_machine
from test_protection_at_the_broker import (
    a_day,
    a_target,
    at_the_broker,
    cancels,
    hold,
    how_it_ended,
    only,
    protection,
    touch,
)

from trader.adapters.paper.broker import Treatment
from trader.domain.events import JournalType, OrderShown
from trader.domain.order import Order
from trader.domain.terms import Terms


def the_stop(market: Market) -> Order:
    [stop] = [order for order in market.engine.book.orders.values() if order.stop_micros is not None]
    return stop


async def move(market: Market, *, by_percent: float = 0, shares: int = 0, kind: str = "") -> Order:
    """Somebody changes the stop in the broker's own window, and it is shown so."""
    stop = the_stop(market)
    assert stop.stop_micros is not None
    micros = round(stop.stop_micros * (1 + by_percent / 100) / 10_000) * 10_000
    working = market.broker._working[stop.ref]
    working.order = working.order._replace(stop_micros=micros, quantity=shares or stop.quantity)
    await market.handle(OrderShown(stop.ref, Terms(shares or stop.quantity, None, micros, kind)))
    return stop


@pytest.mark.parametrize(
    "change", [{"by_percent": -10}, {"by_percent": 1}, {"shares": 300}, {"kind": "TRAIL"}], ids=str
)
async def test_a_changed_stop_is_replaced_by_one_at_the_level_of_the_position(
    tmp_path: Path, change: dict[str, float]
) -> None:
    async with a_day(tmp_path) as market:
        held = await hold(market)
        was = await move(market, **change)  # type: ignore[arg-type]
        [said] = market.log.said("ORDER CHANGED AT THE BROKER")
        assert was.ref in said
        await market.bar()
        assert (the_stop(market).stop_micros, the_stop(market).quantity) == (was.stop_micros, held)
        assert the_stop(market).ref != was.ref
        assert protection(market) == [("stop", held), ("take_profit", held)]
        assert at_the_broker(market) == ["stop", "take_profit"]


async def test_nothing_new_stands_before_what_was_changed_has_ended(tmp_path: Path) -> None:
    """Else both could sell: the daemon watches its own level meanwhile, and its exit waits too."""
    script = {"ignore": True}
    async with a_day(tmp_path, script=lambda _: Treatment(ignore_cancel=script["ignore"])) as market:
        held = await hold(market)
        await move(market, by_percent=-10)
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 0.98})
        await market.bars(2)
        assert market.held() == {"AAPL": held}
        assert at_the_broker(market) == ["stop", "take_profit"]
        for working in list(market.broker._working.values()):
            market.broker._end(working, "cancelled at last")
        await market.bars(2)
        assert how_it_ended(market) == ("exit", "stop", "stop")
        assert (market.held(), market.at_broker()) == ({}, {})


async def test_the_daemon_sells_at_its_own_level_while_the_pair_is_taken_back(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await hold(market)
        await move(market, by_percent=-10)
        await market.bar(closes={"AAPL": market.prices["AAPL"] * 0.98})
        await market.bars(2)
        assert market.held() == {}
        assert market.at_broker() == {}


async def test_fewer_shares_count_when_they_last(tmp_path: Path) -> None:
    """The broker takes shares off a stop when its target sells, and may show that before the sale."""
    async with a_day(tmp_path) as market:
        held = await hold(market)
        was = await move(market, shares=held - 1)
        await market.wait(1)
        assert the_stop(market).ref == was.ref
        await market.wait(15)
        await market.bar()
        assert the_stop(market).ref != was.ref
        assert protection(market) == [("stop", held), ("take_profit", held)]


async def test_shares_that_the_target_has_sold_are_no_change(tmp_path: Path) -> None:
    async with a_day(tmp_path, script=only(a_target, Treatment(parts=(10,)))) as market:
        held = await hold(market)
        asked, stop = cancels(market), the_stop(market)
        await touch(market, high=2.5)
        await market.bar()
        assert market.held() == {"AAPL": held - 10}
        await market.handle(OrderShown(stop.ref, Terms(held - 10, None, stop.stop_micros)))
        await market.bars(2)
        assert asked == []
        assert the_stop(market).ref == stop.ref


async def test_one_that_is_shown_as_it_was_sent_is_left_alone(tmp_path: Path) -> None:
    """As after a restart: the adapter does not know how an earlier run has sent it."""
    async with a_day(tmp_path) as market:
        await hold(market)
        asked, stop = cancels(market), the_stop(market)
        await market.restart(keep_broker=True)
        await market.handle(OrderShown(stop.ref, Terms.of(stop)))
        await market.bars(3)
        assert asked == []
        assert the_stop(market).ref == stop.ref


async def test_a_changed_stop_is_found_by_the_run_after_the_one_that_has_sent_it(tmp_path: Path) -> None:
    async with a_day(tmp_path) as market:
        await hold(market)
        was = the_stop(market)
        await market.restart(keep_broker=True)
        await move(market, by_percent=-10)
        await market.bar()
        assert the_stop(market).ref != was.ref
        assert the_stop(market).stop_micros == was.stop_micros


async def test_an_entry_that_somebody_has_changed_is_cancelled(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        [entry] = market.engine.book.orders.values()
        assert entry.limit_micros is not None
        await market.handle(OrderShown(entry.ref, Terms(entry.quantity, entry.limit_micros * 2, None)))
        assert market.working() == []
        assert market.one("SELECT reserved_micros FROM book_accounts") == 0
        market.check()


async def test_it_is_told_once_and_kept(tmp_path: Path) -> None:
    script = {"ignore": True}
    async with a_day(tmp_path, script=lambda _: Treatment(ignore_cancel=script["ignore"])) as market:
        await hold(market)
        await move(market, by_percent=-10)
        await market.bars(3)
        assert len(market.log.said("ORDER CHANGED AT THE BROKER")) == 1
        assert market.journaled(JournalType.ALARM) == 1


async def test_while_the_market_is_closed_only_what_would_sell_more_is_taken_back(tmp_path: Path) -> None:
    async with a_day(tmp_path, exits={"protection": "broker", "overnight": True}) as market:
        held = await hold(market)
        await market.bars_until("16:00")
        await market.wait(3600)
        asked = cancels(market)
        await move(market, by_percent=-10)
        await market.wait(60)
        assert asked == []
        await move(market, shares=held * 3)
        assert len(asked) == 2
