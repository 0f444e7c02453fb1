"""A stop says what is held and which exits live on at the broker; nobody has to guess."""

from pathlib import Path

from builders import Market, a_fill, a_machine

from trader.adapters.paper.broker import Treatment
from trader.app.staying import what_stays
from trader.domain.events import CommandName

AT_BROKER = {"protection": "broker"}


async def held(market: Market) -> int:
    await market.bars(2, {"AAPL": 0.8})
    return market.held()["AAPL"]


def stays(market: Market, *, broker_outlives: bool = True) -> str:
    return what_stays(market.engine.book, broker_outlives=broker_outlives)


async def test_a_stop_and_a_target_at_the_broker_are_named(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits=AT_BROKER) as market:
        shares = await held(market)
        assert stays(market) == f"AAPL {shares} (at the broker stay a stop of {shares} and a target of {shares})"
        assert stays(market, broker_outlives=False) == f"AAPL {shares} (no exit outlives this daemon)"


async def test_what_is_not_covered_is_loud(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits=AT_BROKER) as market:
        shares = await held(market)
        market.script = lambda order: Treatment(reject="no") if order.is_protection else Treatment()
        await market.report(a_fill("AAPL", 5, 200.0, order_ref="by-hand", execution_id="more", at=market.now))
        assert stays(market).endswith(f"a stop of {shares} and a target of {shares}, NO EXIT of 5)")


async def test_a_position_that_the_daemon_alone_watches_has_no_exit_there(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        shares = await held(market)
        assert stays(market) == f"AAPL {shares} (NO EXIT at the broker)"


async def test_an_exit_that_works_is_named(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        shares = await held(market)
        market.script = lambda _: Treatment(parts=(0,))
        await market.command(CommandName.FLATTEN)
        assert stays(market) == f"AAPL {shares} (an exit of {shares} works on at the broker)"


async def test_nothing_held_is_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        assert stays(market) == ""
