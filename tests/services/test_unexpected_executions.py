"""An execution that should not have happened has happened: it is booked, said, and entries stop."""

from pathlib import Path
from typing import Any

import pytest
from builders import Market, a_fill, a_machine

from trader.adapters.paper.broker import Treatment
from trader.domain.alarm import AlarmType
from trader.domain.decision import Rule, Side
from trader.domain.events import (
    CommandName,
    Event,
    Fate,
    OrderAccepted,
    OrderCancelled,
    OrderIdentified,
    OrderLost,
    OrderRejected,
)

SHARES = 497


async def assert_said_and_stopped(market: Market) -> None:
    [(alarm, what)] = market.sql("SELECT data ->> 'alarm', data ->> 'what' FROM events WHERE type = 'alarm'")
    assert alarm == AlarmType.UNEXPECTED_EXECUTION
    assert market.log.said(f"UNEXPECTED EXECUTION JD: {what}; entries stopped account=paper")
    assert market.sql("SELECT scope FROM book_halts WHERE cleared_us IS NULL") == [("all",)]
    await market.bar()
    refusal = (await market.submit("QQQ", 0.8)).refusal
    assert refusal is not None
    assert refusal.rule is Rule.HALTED


async def test_of_an_order_that_nobody_made(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.report(a_fill("JD", 10, 30.0, order_ref="by-hand", execution_id="X1", at=market.now))
        assert market.held() == {"JD": 10}
        assert market.sql("SELECT purpose, reason FROM trades") == [("adjust", "external")]
        assert market.log.said("UNEXPECTED EXECUTION JD: execution X1 belongs to no order of ours (by-hand);")
        await assert_said_and_stopped(market)
        market.check()


async def test_of_more_than_was_ordered(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        assert market.one("SELECT quantity FROM orders") == SHARES
        await market.report(a_fill("JD", SHARES + 1, 30.0, order_ref="paper-1-0001", at=market.now))
        assert market.held() == {"JD": SHARES + 1}
        assert market.log.said("UNEXPECTED EXECUTION JD: order paper-1-0001 is working with 0 of 497 filled;")
        assert market.sql("SELECT state, filled FROM orders") == [("filled", SHARES + 1)]
        assert market.one("SELECT reserved_micros FROM book_accounts") == 0
        await assert_said_and_stopped(market)


@pytest.mark.parametrize("restarts", [False, True])
async def test_of_an_order_that_had_ended(tmp_path: Path, restarts: bool) -> None:
    """It belongs to its order all the same, which stays ended."""
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        await market.handle(OrderCancelled("paper-1-0001", "asked"))
        if restarts:
            await market.restart()
        await market.report(a_fill("JD", 10, 30.0, order_ref="paper-1-0001", at=market.now))
        assert market.held() == {"JD": 10}
        assert market.sql("SELECT purpose, state, filled FROM orders") == [("entry", "cancelled", 10)]
        assert market.one("SELECT purpose FROM trades") == "entry"
        await assert_said_and_stopped(market)


async def test_of_an_order_that_was_resolved_by_hand_is_not_booked_beside_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        await market.handle(OrderLost("paper-1-0001", "no answer"))
        fate: dict[str, Any] = {"order_ref": "paper-1-0001", "fate": Fate.FILLED, "price_micros": 30_000_000}
        await market.command(CommandName.RESOLVE, **fate)
        await market.report(a_fill("JD", 10, 30.0, order_ref="paper-1-0001", at=market.now))
        assert market.held() == {"JD": SHARES}
        why = "order paper-1-0001 was resolved by hand as filled; correct it with `trader adjust`"
        assert market.log.said(f"UNEXPECTED EXECUTION JD: {why}; entries stopped")


async def test_of_another_account_changes_nothing_but_is_said(tmp_path: Path) -> None:
    """Incident 3: what happens in one account is not booked in another, whatever order it names."""
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        await market.report(a_fill("JD", 10, 30.0, order_ref="paper-1-0001", at=market.now)._replace(account="tiny"))
        assert market.held() == {}
        assert market.one("SELECT count(*) FROM trades") == 0
        assert market.sql("SELECT state, filled FROM orders") == [("working", 0)]
        assert "the account 'tiny'" in market.log.said("UNEXPECTED EXECUTION JD")[0]
        await assert_said_and_stopped(market)
        market.check()


async def test_of_another_account_may_still_be_ours(tmp_path: Path) -> None:
    """A report that named the wrong account does not hide the one that names the right one."""
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        fill = a_fill("JD", 10, 30.0, order_ref="paper-1-0001", at=market.now)
        await market.report(fill._replace(account="tiny"), times=3)
        assert len(market.log.said("UNEXPECTED EXECUTION JD")) == 1
        await market.report(fill)
        assert market.held() == {"JD": 10}
        market.check()


async def test_each_execution_of_another_account_is_said_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for id_ in ("T1", "T2"):
            await market.report(a_fill("JD", 10, 30.0, execution_id=id_, at=market.now, account="tiny"), times=2)
        assert len(market.log.said("UNEXPECTED EXECUTION JD: execution 'T1'")) == 1
        assert len(market.log.said("UNEXPECTED EXECUTION JD: execution 'T2'")) == 1


async def test_a_name_without_end_is_cut_short(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.report(a_fill("JD", 10, 30.0, execution_id="x" * 1000, account="y" * 1000, at=market.now))
        what = f"execution '{'x' * 59} is reported with the account '{'y' * 39}; entries stopped"
        assert market.log.said(f"UNEXPECTED EXECUTION JD: {what}")


async def test_a_sale_in_another_account_does_not_touch_protection_of_ours(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits={"protection": "broker"}) as market:
        await market.bars(3, {"JD": 0.9})
        before = market.sql("SELECT order_ref, state FROM book_orders WHERE purpose = 'protection' ORDER BY 1")
        ref, shares = str(before[0][0]), market.held()["JD"] + 1
        sale = a_fill("JD", shares, 30.0, side=Side.SELL, order_ref=ref, at=market.now)
        await market.report(sale._replace(account="tiny"))
        assert market.sql("SELECT order_ref, state FROM book_orders WHERE purpose = 'protection' ORDER BY 1") == before
        await assert_said_and_stopped(market)


@pytest.mark.parametrize(
    "event",
    [
        OrderCancelled("tiny-1-0001", "asked"),
        OrderRejected("tiny-1-0001", "no"),
        OrderLost("tiny-1-0001", "no answer"),
        OrderAccepted("tiny-1-0001"),
        OrderIdentified("tiny-1-0001", 77),
    ],
    ids=lambda event: type(event).__name__,
)
async def test_what_is_told_of_an_order_of_another_account_changes_nothing_but_is_said(
    tmp_path: Path, event: Event
) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        before = market.engine.book
        await market.handle(event)
        assert market.engine.book == before
        assert [line for line in market.log.said("NOT OURS") if type(event).__name__ in line and "tiny-1-0001" in line]


@pytest.mark.parametrize(("symbol", "side"), [("MSFT", Side.BUY), ("JD", Side.SELL), ("MSFT", Side.SELL)])
async def test_of_another_symbol_or_side_than_its_order_is_not_booked_as_told(
    tmp_path: Path, symbol: str, side: Side
) -> None:
    """Booked, it would be sold one day, and the broker has none of it."""
    async with a_machine(tmp_path) as market:
        await market.report(a_fill("MSFT", 3, 400.0, order_ref="by-hand", at=market.now))
        await market.command(CommandName.RESUME)
        await market.bar({"JD": 0.9})
        told = a_fill(symbol, 3, 30.0, order_ref="paper-1-0001", at=market.now)._replace(side=side)
        await market.report(told._replace(execution_id="another"))
        assert market.held() == {"MSFT": 3}
        [said] = market.log.said(f"UNEXPECTED EXECUTION {symbol}: execution another is told as a {side}")
        assert f"of {symbol}, while its order paper-1-0001 is a BUY of JD" in said
        await market.bar()
        assert market.held() == {"MSFT": 3, "JD": SHARES}
        market.check()
