"""An entry and an exit of one symbol can work at once, when nobody answers the entry's cancel: neither is the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from builders import SECOND, Market, a_fill, a_machine

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Side
from trader.domain.events import CommandName, JournalType, OrderCancelled, OrderLost, OrderRejected
from trader.domain.order import Order

ENTRY, EXIT = "paper-1-0001", "paper-1-0002"


def nothing_happens(_: Order) -> Treatment:
    return Treatment(parts=(0,), ignore_cancel=True)


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Market]:
    async with a_machine(tmp_path, script=nothing_happens) as market:
        await market.report(a_fill("JD", 10, 30.0, order_ref="by-hand", at=market.now))
        await market.command(CommandName.RESUME)
        await market.bar({"JD": 0.9})
        await market.command(CommandName.FLATTEN)
        assert market.sql("SELECT side, state FROM orders") == [("BUY", "cancelling")]  # the exit waits for its end
        await market.wait(10)
        assert market.working() == [("BUY", "JD"), ("SELL", "JD")]
        yield market


async def test_the_end_of_the_exit_leaves_the_lock_of_the_entry(market: Market) -> None:
    locked = market.sql("SELECT * FROM book_locks")
    await market.handle(OrderRejected(EXIT, "no shares to borrow"))
    assert market.sql("SELECT * FROM book_locks") == locked
    market.check()


async def test_a_fill_of_the_exit_leaves_the_lock_of_the_entry(market: Market) -> None:
    locked = market.sql("SELECT * FROM book_locks")
    await market.report(a_fill("JD", 4, 30.0, side=Side.SELL, order_ref=EXIT, at=market.now))
    assert market.sql("SELECT * FROM book_locks") == locked
    await market.report(a_fill("JD", 6, 30.0, side=Side.SELL, order_ref=EXIT, at=market.now + SECOND))
    assert market.sql("SELECT * FROM book_locks") == locked
    assert market.held() == {}
    market.check()


async def test_the_end_of_the_entry_leaves_the_exit(market: Market) -> None:
    await market.handle(OrderRejected(ENTRY, "too late"))
    assert market.one("SELECT evidence FROM book_locks") == "rejected: too late"
    await market.wait(30)
    assert market.working() == [("SELL", "JD")]
    market.check()


async def test_an_order_that_is_lost_twice_is_said_once(market: Market) -> None:
    before = market.journaled(JournalType.ORDER_STATE)
    for _ in range(3):
        await market.handle(OrderLost(EXIT, "the line is down"))
    assert market.journaled(JournalType.ORDER_STATE) == before + 1


async def test_a_late_fill_of_an_ended_exit_leaves_the_slot_to_the_exit_that_works(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        market.script = nothing_happens
        await market.command(CommandName.FLATTEN)
        await market.handle(OrderCancelled(EXIT, "by the exchange"))
        await market.wait(6)
        await market.report(a_fill("JD", 1, 30.0, side=Side.SELL, order_ref=EXIT, at=market.now))
        await market.wait(1)
        assert market.engine.book.exits["JD"].ref == "paper-1-0003"
        assert market.log.said("BOOK UNWRITABLE") == []
