"""Every position is looked at, at every look; what cannot be watched is said, and stops entries when it lasts."""

from datetime import timedelta
from pathlib import Path

import pytest
from builders import Market, a_bar, a_machine, bar_time, no_cash

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Close, Rule
from trader.domain.events import CommandName, JournalType
from trader.domain.ledger import Position
from trader.domain.market import Bar, Prices
from trader.domain.rules import Rules
from trader.pipeline.exits import touched
from trader.services import exit_scanner


async def hold(market: Market, *symbols: str) -> None:
    """One position of each."""
    await market.bar(dict.fromkeys(symbols, 0.8))
    await market.bar()
    assert set(market.held()) == set(symbols)


async def fall(market: Market, symbol: str, percent: float) -> None:
    """One minute in which a symbol falls, and the next, in which an exit is filled."""
    await market.bar(closes={symbol: market.prices[symbol] * (1 - percent / 100)})
    await market.bar()


def closing_reason(market: Market) -> str:
    return str(market.one("SELECT exit_reason FROM round_trips ORDER BY closed_at DESC LIMIT 1"))


# -- what goes, and in which order ---------------------------------------------------------------------------------


async def test_a_gap_through_the_stop_exits_at_the_market(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        stop = market.one("SELECT stop_loss FROM positions")
        await fall(market, "AAPL", 4.0)
        assert market.held() == {}
        assert market.one("SELECT price FROM trades WHERE side = 'SELL'") < stop - 4
        assert closing_reason(market) == "stop"


@pytest.mark.parametrize("hindrance", ["halted", "no cash", "as many positions as there may be", "the gate is closed"])
async def test_nothing_that_stops_entries_stops_an_exit(tmp_path: Path, hindrance: str) -> None:
    async with a_machine(tmp_path, limits={"open_positions": 1}) as market:
        await hold(market, "AAPL")
        if hindrance == "halted":
            await market.command(CommandName.HALT)
        elif hindrance == "no cash":
            await no_cash(market)
        elif hindrance == "the gate is closed":
            market.engine.trading.gate.close(Rule.UNRECONCILED, "a test")
        await fall(market, "AAPL", 2.0)
        assert market.held() == {}


async def test_both_levels_in_one_bar_count_as_the_stop(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        price = market.prices["AAPL"]
        await market.play(
            bar_time(a_bar("AAPL", price, start=market.now, high=price * 1.025, low=price * 0.98)),
        )
        await market.bar()
        assert closing_reason(market) == "stop"


async def test_the_time_stop_closes_what_the_levels_did_not(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits={"time_stop_min": 30}) as market:
        await hold(market, "AAPL")
        await market.bars(28)
        assert market.held()
        await market.bars(3)
        assert closing_reason(market) == "time_stop"


async def test_the_stop_counts_before_the_time_stop(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits={"time_stop_min": 3}) as market:
        await hold(market, "AAPL")
        await market.bar()
        await fall(market, "AAPL", 2.0)
        assert closing_reason(market) == "stop"


# -- the trailing stop ---------------------------------------------------------------------------------------------


async def test_a_trailing_stop_follows_up_and_never_down(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits={"trailing_pct": 1.0, "take_profit_pct": 20.0}) as market:
        await hold(market, "AAPL")
        first = market.one("SELECT initial_stop FROM armed_exits")
        for price in (201.0, 204.0, 203.0):
            await market.bar(closes={"AAPL": price})
        assert market.one("SELECT stop_loss FROM armed_exits") == pytest.approx(204.0 * 0.99, abs=0.01)
        assert market.one("SELECT initial_stop FROM armed_exits") == first
        await market.bar(closes={"AAPL": 201.5})
        await market.bar()
        assert closing_reason(market) == "trailing_stop"
        market.check()


async def test_a_raised_stop_survives_a_restart(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits={"trailing_pct": 1.0, "take_profit_pct": 20.0}) as market:
        await hold(market, "AAPL")
        await market.bar(closes={"AAPL": 204.0})
        await market.restart()
        await market.bar(closes={"AAPL": 201.0})
        await market.bar()
        assert closing_reason(market) == "trailing_stop"
        market.check()


async def test_a_price_that_jumped_raises_no_stop(tmp_path: Path) -> None:
    """A bad print of twice the price would sell everything at the next good one."""
    async with a_machine(tmp_path, exits={"trailing_pct": 1.0, "take_profit_pct": 500.0}) as market:
        await hold(market, "AAPL")
        before = market.one("SELECT stop_loss FROM armed_exits")
        await market.bar(closes={"AAPL": 400.0})
        assert market.one("SELECT stop_loss FROM armed_exits") == before


# -- what is not watched -------------------------------------------------------------------------------------------


async def test_a_position_without_a_price_is_an_alarm_and_not_armed(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL", "MSFT")
        del market.prices["AAPL"]
        await market.bars(5)
        assert len(market.log.said("EXITS NOT WATCHED AAPL: no bar since")) == 1, "once, not at every look"
        assert market.journaled(JournalType.ALARM) == 1
        scan = market.engine.trading.exits.last
        assert (set(scan.armed), set(scan.unarmed)) == ({"MSFT"}, {"AAPL"})
        market.prices["AAPL"] = 200.0
        await market.bar()
        assert market.log.said("EXITS WATCHED AGAIN AAPL")
        assert set(market.engine.trading.exits.last.armed) == {"AAPL", "MSFT"}


async def test_what_is_watched_again_is_said_in_one_order(tmp_path: Path) -> None:
    symbols = ["QQQ", "AAPL", "MSFT"]
    async with a_machine(tmp_path) as market:
        await hold(market, *symbols)
        prices = {symbol: market.prices.pop(symbol) for symbol in symbols}
        await market.bars(5)
        market.prices.update(prices)
        await market.bar()
        said = market.log.said("EXITS WATCHED AGAIN")
        assert len(said) == len(symbols)
        assert said == sorted(said), "the order of a set is another one in every process"


async def test_outside_the_session_an_old_price_is_no_alarm(tmp_path: Path) -> None:
    async with a_machine(tmp_path, clock="15:40") as market:
        await hold(market, "AAPL")
        market.script = lambda _: Treatment(delay_bars=99)
        await market.bars_until("16:00")
        await market.wait(3600)
        assert not market.log.said("EXITS NOT WATCHED")


def cannot_look_at(symbol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the scan of one symbol."""

    def broken(position: Position, bar: Bar, prices: Prices, rules: Rules) -> Close | None:
        if position.symbol == symbol:
            raise ZeroDivisionError("a bug")
        return touched(position, bar, prices, rules)

    monkeypatch.setattr(exit_scanner, "touched", broken)


async def test_a_scan_that_cannot_finish_stops_entries_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL", "MSFT")
        with monkeypatch.context() as bug:
            cannot_look_at("AAPL", bug)
            await market.bar()
            assert market.log.said("EXITS NOT WATCHED AAPL: a bug, ZeroDivisionError")
            assert market.log.said("EXIT SCAN OVERDUE")
            refusal = (await market.submit("QQQ", 0.8)).refusal
            assert refusal is not None
            assert refusal.rule is Rule.EXIT_SCAN_OVERDUE
            await fall(market, "MSFT", 2.0)
            assert set(market.held()) == {"AAPL"}, "the other position's exit fires"
        await market.bar()
        assert (await market.submit("QQQ", 0.8)).ticket is not None, "a whole scan opens the gate again"


async def test_entries_stop_only_after_some_seconds_without_a_whole_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path, exits={"scan_patience_s": 30, "time_stop_min": 300}) as market:
        await hold(market, "AAPL")
        await market.wait(1)
        cannot_look_at("AAPL", monkeypatch)
        monkeypatch.setattr(exit_scanner, "held_too_long", lambda *_: 1 / 0)
        await market.wait(29)
        assert not market.log.said("EXIT SCAN OVERDUE")
        await market.wait(1)
        assert market.log.said("EXIT SCAN OVERDUE: no whole exit scan for 30 s")


async def test_a_position_on_its_way_out_counts_as_armed(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await hold(market, "AAPL")
        market.script = lambda _: Treatment(delay_bars=99)
        await market.bar({"AAPL": 0.1})
        assert market.engine.trading.exits.last.armed == market.held()
        assert market.now - market.engine.trading.exits.last.at < timedelta(seconds=1)
