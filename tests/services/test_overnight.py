"""What may be held overnight is held behind a stop that lives at the broker, or not at all."""

from datetime import timedelta
from pathlib import Path

import pytest
from builders import MONDAY, Market, a_machine, new_york

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Side
from trader.domain.events import JournalType, OrderLost
from trader.domain.exit_plan import ExitRule
from trader.domain.order import Order
from trader.domain.rules import Protection, Rules

TUESDAY = MONDAY + timedelta(days=1)
OVERNIGHT = {"protection": "broker", "symbols": {"AAPL": {"overnight": True}}}


async def at_the_close(market: Market, *symbols: str) -> None:
    """They are held, and the session is over."""
    await market.bar(dict.fromkeys(symbols, 0.8))
    await market.bars_until("16:00")
    market.broker.expire()
    await market.wait(60)


async def test_what_may_stay_stays_behind_its_stop_and_everything_else_is_closed(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40", exits=OVERNIGHT) as market:
        await at_the_close(market, "AAPL", "MSFT")
        assert set(market.held()) == {"AAPL"}
        assert market.sql("SELECT DISTINCT symbol, purpose FROM orders WHERE state = 'working'") == [
            ("AAPL", "protection")
        ]
        [line] = market.log.said("FLAT PROVEN")
        assert f"besides AAPL {market.held()['AAPL']} overnight" in line
        assert market.journaled(JournalType.NOT_FLAT) == 0
        assert market.log.said("HELD WHILE CLOSED") == []
        market.check()


async def test_the_next_session_goes_on_with_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40", exits=OVERNIGHT) as market:
        await at_the_close(market, "AAPL")
        market.clock.set(new_york("09:30", TUESDAY))
        await market.bars(3)
        assert set(market.held()) == {"AAPL"}
        assert market.log.said("LEFT OVERNIGHT") == []
        await market.bar(closes={"AAPL": 150.0})
        await market.bars(2)
        assert market.held() == {}
        market.check()


async def test_what_no_stop_at_the_broker_covers_is_closed_with_the_session(tmp_path: Path) -> None:
    def refuses_protection(order: Order) -> Treatment:
        return Treatment(reject="no") if order.is_protection else Treatment()

    async with a_machine(tmp_path, clock="15:40", exits=OVERNIGHT, script=refuses_protection) as market:
        await at_the_close(market, "AAPL")
        assert market.held() == {}
        assert market.sql("SELECT purpose FROM trades WHERE side = ?", Side.SELL) == [("eod",)]


async def test_a_doubt_at_night_about_a_stop_sells_nothing_at_the_open(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40", exits=OVERNIGHT) as market:
        await at_the_close(market, "AAPL")
        await market.handle(*(OrderLost(ref, "the connection ended") for ref in market.engine.book.orders))
        await market.jump(new_york("09:30", TUESDAY))
        assert market.sql("SELECT state FROM positions WHERE quantity > 0") == [("open",)]


@pytest.mark.parametrize(
    "rules", [{"exits": ExitRule(overnight=True)}, {"exits_by_symbol": {"X": ExitRule(overnight=True)}}]
)
def test_nothing_is_held_overnight_without_protection_at_the_broker(rules: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r'overnight = true of .* set exits.protection = "broker"'):
        Rules(**rules)  # type: ignore[arg-type]
    Rules(**rules, protection=Protection.BROKER)  # type: ignore[arg-type]
