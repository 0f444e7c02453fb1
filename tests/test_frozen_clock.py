"""Tests as users write them: the clock of the machine frozen at a market time, the engine on the system's clock.

`real_asyncio=True` leaves the loop its own time: with everything frozen `asyncio.sleep` would never end.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import MINUTE, Market, a_bar, a_machine, new_york
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from trader import Signal
from trader.adapters.clock import SystemClock
from trader.domain.decision import Decision, Outcome, Rule, Stage
from trader.domain.events import Tick
from trader.domain.market import BarTime


@asynccontextmanager
async def a_machine_on_the_system_clock(folder: Path) -> AsyncIterator[Market]:
    """The engine runs as a task of its own, and nobody tells it the time."""
    async with a_machine(folder, clock="15:30") as market:
        market.engine._ports = type(market.engine._ports)(
            store=market.book.store,
            broker=market.broker,
            clock=SystemClock(),
            log=market.log,
            recorder=market.engine._ports.recorder,
            spill=market.spill,
        )
        running = asyncio.create_task(market.engine.run())
        yield market
        market.engine.stop()
        await running


def bars_that_end_now(market: Market) -> BarTime:
    start = SystemClock().now() - MINUTE
    return BarTime(start + MINUTE, MINUTE, tuple(a_bar(s, p, start=start) for s, p in market.prices.items()))


async def submitted(market: Market, probability: float = 0.8) -> Decision:
    await market.engine.deliver(bars_that_end_now(market))
    return await market.engine.submit(Signal("QQQ", probability))


@freeze_time("2025-06-23 15:45:00", real_asyncio=True)
def test_the_system_clock_is_frozen_and_stays_aware() -> None:
    assert SystemClock().now() == datetime(2025, 6, 23, 15, 45, tzinfo=UTC)
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_the_system_clock_moves_when_it_is_ticked() -> None:
    with freeze_time("2025-06-23 15:45:00") as frozen:
        before = SystemClock().now()
        assert isinstance(frozen, FrozenDateTimeFactory)
        frozen.tick(timedelta(seconds=5))
        assert SystemClock().now() - before == timedelta(seconds=5)


@pytest.mark.parametrize(
    ("frozen_at", "rule"),
    [
        ("2025-06-23 13:29:00", Rule.SESSION_CLOSED),
        ("2025-06-23 14:00:00", None),
        ("2025-06-23 19:44:59", None),
        ("2025-06-23 19:45:00", Rule.AFTER_CUTOFF),
        ("2025-06-23 19:52:00", Rule.AFTER_CUTOFF),
        ("2025-06-23 20:00:00", Rule.SESSION_CLOSED),
        ("2025-07-03 16:44:00", None),
        ("2025-07-03 16:50:00", Rule.AFTER_CUTOFF),
        ("2025-03-10 19:52:00", Rule.AFTER_CUTOFF),
        ("2025-11-03 19:52:00", None),
        ("2025-11-03 20:52:00", Rule.AFTER_CUTOFF),
        ("2025-07-04 15:00:00", Rule.SESSION_CLOSED),
        ("2025-06-21 15:00:00", Rule.SESSION_CLOSED),
    ],
)
async def test_a_signal_at_a_frozen_market_time(tmp_path: Path, frozen_at: str, rule: Rule | None) -> None:
    async with a_machine_on_the_system_clock(tmp_path) as market:
        with freeze_time(frozen_at, real_asyncio=True):
            decision = await submitted(market)
        if rule is None:
            assert decision.outcome is Outcome.ORDERED
            return
        assert decision.refusal is not None
        assert (decision.refusal.stage, decision.refusal.rule) == (Stage.SESSION, rule)
        assert market.one("SELECT count(*) FROM orders") == 0


async def test_the_loop_sleeps_while_the_market_stands_still(tmp_path: Path) -> None:
    async with a_machine_on_the_system_clock(tmp_path) as market:
        with freeze_time("2025-06-23 19:52:00", real_asyncio=True):
            await asyncio.sleep(0.001)
            async with asyncio.timeout(5):
                decision = await submitted(market)
        assert decision.refusal is not None
        assert decision.refusal.measured == 8.0


async def test_a_position_goes_when_the_frozen_clock_enters_the_window(tmp_path: Path) -> None:
    async with a_machine_on_the_system_clock(tmp_path) as market:
        with freeze_time("2025-06-23 19:40:00", real_asyncio=True):
            await submitted(market)
        with freeze_time("2025-06-23 19:41:00", real_asyncio=True):
            market.broker.match(bar_from_now(market))
            await asked(market)
            assert market.held() == {"QQQ": 29}
        with freeze_time("2025-06-23 19:49:59", real_asyncio=True):
            await asked(market)
            assert market.working() == []
        with freeze_time("2025-06-23 19:50:00", real_asyncio=True):
            await asked(market)
            assert market.working() == [("SELL", "QQQ")]
            market.broker.match(bar_from_now(market))
            await asked(market)
        assert market.held() == {}


def bar_from_now(market: Market) -> BarTime:
    start = SystemClock().now()
    return BarTime(start + MINUTE, MINUTE, tuple(a_bar(s, p, start=start) for s, p in market.prices.items()))


async def asked(market: Market) -> None:
    """Let the engine look at the clock, and wait until it has."""
    await market.engine.inbox.put(Tick())
    await market.engine.submit(Signal("NOWHERE", 0.5))


@freeze_time("2025-06-23 16:00:30", real_asyncio=True)
async def test_a_signal_older_than_a_minute_is_refused(tmp_path: Path) -> None:
    async with a_machine_on_the_system_clock(tmp_path) as market:
        await market.engine.deliver(bars_that_end_now(market))
        for clock, rule in (("11:59:29", Rule.EXPIRED), ("12:00:33", Rule.FROM_THE_FUTURE), ("11:59:30", None)):
            decision = await market.engine.submit(Signal("QQQ", 0.8, new_york(clock)))
            assert (decision.refusal.rule if decision.refusal else None) == rule


@freeze_time("2025-06-23 16:00:30", real_asyncio=True)
async def test_every_time_in_the_book_is_the_frozen_one(tmp_path: Path) -> None:
    async with a_machine_on_the_system_clock(tmp_path) as market:
        await submitted(market)
        assert market.one("SELECT timestamp FROM signals") == "2025-06-23T16:00:30.000Z"
        assert market.one("SELECT created_at FROM orders") == "2025-06-23T16:00:30.000Z"
        created = market.one("SELECT timestamp FROM events WHERE type = 'order_created'")
        assert created == "2025-06-23T16:00:30.000Z"
