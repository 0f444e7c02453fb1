"""`flatten` stands until `resume`: what comes to be held in its scope is closed too."""

from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine, assert_sound

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Side
from trader.domain.events import CommandName, FillReported

ENTRY, EXIT = "paper-1-0001", "paper-1-0002"


async def an_entry_that_ignores_its_cancel(market: Market) -> None:
    """An entry of JD, and a flatten while it works."""
    market.script = lambda order: Treatment(parts=(0,), ignore_cancel=order.side is Side.BUY)
    await market.bar({"JD": 0.9})
    await market.command(CommandName.FLATTEN)
    assert market.working() == [("BUY", "JD")]


async def filled_despite_it(market: Market) -> None:
    await market.report(a_fill("JD", 10, 30.0, order_ref=ENTRY, at=market.now))


def sold(market: Market) -> int:
    """Shares that the daemon has asked to be sold."""
    return int(market.one("SELECT coalesce(sum(quantity), 0) FROM orders WHERE side = 'SELL' AND state <> 'cancelled'"))


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_entry_that_is_filled_despite_a_flatten_is_closed_too(tmp_path: Path, restarted: bool) -> None:
    async with a_machine(tmp_path) as market:
        await an_entry_that_ignores_its_cancel(market)
        if restarted:
            await market.restart(keep_broker=True)
        await filled_despite_it(market)
        assert market.sql("SELECT state, closing_reason FROM book_positions WHERE quantity > 0") == [
            ("closing", "manual")
        ]
        await market.wait(30)
        assert sold(market) == 10
        await assert_sound(market)


async def test_shares_that_a_bust_gives_back_after_a_flatten_are_sold_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"JD": 0.9})
        held = market.held()["JD"]
        market.script = lambda _: Treatment(parts=(0,))
        await market.command(CommandName.FLATTEN)
        sale = a_fill("JD", held, 30.0, side=Side.SELL, order_ref=EXIT, execution_id="S1", at=market.now)
        await market.report(sale)
        assert market.held() == {}
        await market.report(sale._replace(execution_id="S1.2", corrects=("S1",), quantity=0))
        assert market.held() == {"JD": held}
        await market.wait(30)
        assert [(side, symbol) for side, symbol in market.working()] == [("SELL", "JD")]
        await assert_sound(market)


async def test_a_resume_ends_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await an_entry_that_ignores_its_cancel(market)
        await market.command(CommandName.RESUME)
        await filled_despite_it(market)
        await market.wait(30)
        assert (market.held(), sold(market)) == ({"JD": 10}, 0)


async def test_a_halt_alone_closes_nothing_and_a_flatten_after_it_does(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.command(CommandName.HALT)
        await market.report(a_fill("JD", 10, 30.0, order_ref="by-hand", at=market.now))
        assert market.sql("SELECT state FROM book_positions") == [("open",)]
        await market.wait(5)
        await market.command(CommandName.FLATTEN)
        assert market.sql("SELECT state FROM book_positions") == [("closing",)]
        await assert_sound(market)
        await market.restart()
        assert [halt.flattens for halt in market.engine.book.halts.values()] == [True]
        assert market.sql("SELECT reason, flattens FROM book_halts") == [("a test", 1)]


@pytest.mark.parametrize(("scope", "target", "closes"), [("symbol", "AAPL", ["AAPL"]), ("family", "QQQ", ["PSQ"])])
async def test_it_stands_for_its_scope_alone(tmp_path: Path, scope: str, target: str, closes: list[str]) -> None:
    async with a_machine(tmp_path) as market:
        await market.command(CommandName.FLATTEN, scope, target)
        await market.handle(*(FillReported(a_fill(name, 10, 30.0, at=market.now)) for name in ("AAPL", "PSQ", "JD")))
        assert market.sql("SELECT symbol FROM book_positions WHERE state = 'closing'") == [(name,) for name in closes]


async def test_nothing_is_adopted_that_a_flatten_would_sell_at_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.broker._positions["AAPL"] = 40
        await market.restart(keep_broker=True)
        await market.bar()
        await market.command(CommandName.FLATTEN, "symbol", "AAPL")
        refused = await market.command(CommandName.ADOPT, target="AAPL", price_micros=200_000_000)
        assert refused.startswith("refused: `trader flatten` stands")
        await market.command(CommandName.RESUME, "symbol", "AAPL")
        adopted = await market.command(CommandName.ADOPT, target="AAPL", price_micros=200_000_000)
        assert adopted.startswith("adopted 40 AAPL")
