"""Limits that count over time: what the engine remembers from step to step, and over a restart."""

from datetime import timedelta
from pathlib import Path

import pytest
from builders import Market, a_machine, new_york

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Rule
from trader.pipeline.decide import Chain

NEARLY_ALL = {"position_pct": 90.0, "family_pct": 100.0, "order_notional": 1e9}


async def bought_usd(market: Market, symbol: str) -> float:
    """What an entry of the symbol is worth, in dollars."""
    await market.submit(symbol, 0.9)
    query = "SELECT coalesce(max(quantity * limit_price), 0) FROM orders WHERE symbol = ?"
    return float(market.one(query, symbol))


@pytest.mark.parametrize(("settled_cash_only", "restarts"), [(False, False), (True, False), (True, True)])
async def test_a_cash_account_spends_what_it_has_sold_on_the_next_session(
    tmp_path: Path, settled_cash_only: bool, restarts: bool
) -> None:
    async with a_machine(tmp_path, limits=NEARLY_ALL, account={"settled_cash_only": settled_cash_only}) as market:
        await market.bar({"JD": 0.9})
        await market.bar({"JD": 0.1})
        await market.bar()
        assert [side for side, _, _ in market.trades()] == ["BUY", "SELL"]
        if restarts:
            await market.restart()
            await market.bar()
        assert (await bought_usd(market, "AAPL") < 10_000) == settled_cash_only
        await market.jump(new_york("09:30", market.now.date() + timedelta(days=1)))
        await market.bar()
        assert await bought_usd(market, "MSFT") > 70_000 or not settled_cash_only


async def test_entries_of_the_last_minute_count_against_the_rate(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"orders_per_minute": 2}) as market:
        for symbol in ("AAPL", "MSFT"):
            assert (await market.submit(symbol, 0.9)).refusal is None
            await market.wait(20)
        refusal = (await market.submit("JD", 0.9)).refusal
        assert refusal is not None
        assert refusal.rule is Rule.ORDER_RATE
        await market.wait(20)
        assert (await market.submit("JD", 0.9)).refusal is None


async def test_a_bug_in_the_chain_costs_the_signal_and_no_exit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()

        def bug(*_: object) -> None:
            raise KeyError("JD")

        monkeypatch.setattr(Chain, "decide", bug)
        await market.bar({"JD": 0.9}, {"JD": 29.0})
        assert market.working() == [("SELL", "JD")]
        assert market.rules() == [Rule.CHAIN_RAISED]
        assert market.log.said("BUG in the chain")


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"open_positions": 2}, [2, 1]),
        ({"openings_per_day": 3}, [3, 2]),
        ({"orders_per_minute": 2}, [2, 1]),
        ({"max_day_trades_5d": 2}, [2, 1]),
    ],
)
async def test_an_entry_says_how_many_its_limits_of_numbers_still_let_in(
    tmp_path: Path, limits: dict[str, float], left: list[int]
) -> None:
    async with a_machine(tmp_path, limits=limits) as market:
        await market.submit("AAPL", 0.9)
        await market.submit("MSFT", 0.9)
        told = market.sql("SELECT data ->> '$.entries_left' FROM events WHERE type = 'order_created' ORDER BY seq")
        assert [count for (count,) in told] == left


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"open_positions": 2}, Rule.OPEN_POSITIONS),
        ({"gross_pct": 30.1}, Rule.GROSS_EXPOSURE),
        ({"cash_reserve_pct": 69.8}, Rule.CASH_RESERVE),
    ],
)
async def test_a_working_entry_of_an_earlier_step_counts_as_if_it_were_filled(
    tmp_path: Path, limits: dict[str, float], rule: Rule
) -> None:
    async with a_machine(tmp_path, limits=limits, script=lambda _: Treatment(parts=(0,))) as market:
        for symbol in ("AAPL", "MSFT"):
            assert (await market.submit(symbol, 0.9)).refusal is None
        refusal = (await market.submit("JD", 0.9)).refusal
        assert refusal is not None
        assert refusal.rule is rule


async def test_an_exit_of_unknown_fate_bars_its_family(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        market.script = lambda _: Treatment(lose_acknowledgement=True, parts=(0,))
        await market.bar({"QQQ": 0.5})
        assert market.one("SELECT state FROM orders WHERE side = 'SELL'") == "unknown"
        refusal = (await market.submit("QQQ", 0.05)).refusal
        assert refusal is not None
        assert refusal.rule is Rule.UNKNOWN_ORDER


async def test_what_is_held_counts_against_the_limit_of_its_family(tmp_path: Path) -> None:
    async with a_machine(tmp_path, limits={"family_pct": 10.0}) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        assert 9_000 < market.held()["QQQ"] * 500 < 10_000
        refusal = (await market.submit("QQQ", 0.8)).refusal
        assert refusal is not None
        assert refusal.rule is Rule.FAMILY_EXPOSURE


async def test_a_clock_that_was_set_back_to_an_earlier_day_stops_nothing(tmp_path: Path) -> None:
    """That day has a row already: to begin it anew was refused with every step, exits and executions too."""
    async with a_machine(tmp_path) as market:
        before = market.now
        await market.jump(new_york("10:00", before.date() + timedelta(days=1)))
        await market.jump(before)
        await market.bars(2, {"AAPL": 0.8})
        assert set(market.held()) == {"AAPL"}
        assert not market.log.said("CONTRADICTION")
        market.check()
