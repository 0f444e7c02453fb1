"""How long things take is counted when they are done, and each of them once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine, an_unwritable_book

from trader.domain.decision import Signal
from trader.domain.events import FillReported
from trader.services.latencies import BOUNDS_S, Histogram, Latencies


@asynccontextmanager
async def running(market: Market) -> AsyncIterator[Latencies]:
    """The engine's own loop takes the events."""
    task = asyncio.create_task(market.engine.run())
    yield market.engine.latencies
    market.engine.stop()
    await task


def total(histogram: Histogram) -> int:
    """How many were observed."""
    counts = histogram.as_answer()["counts"]
    assert isinstance(counts, list)
    return sum(counts)


@pytest.mark.parametrize(("duration_s", "place"), [(0.0, 0), (0.0001, 0), (0.00011, 1), (10.0, 15), (11.0, 16)])
def test_a_bound_is_in_its_own_class(duration_s: float, place: int) -> None:
    histogram = Histogram()
    histogram.observe(duration_s)
    told = histogram.as_answer()
    assert told["counts"] == [int(number == place) for number in range(len(BOUNDS_S) + 1)]
    assert told["sum_s"] == duration_s


async def test_an_order_is_measured_from_its_signal(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        async with running(market) as latencies:
            await market.engine.submit(Signal("QQQ", 0.8))
            await market.engine.submit(Signal("QQQ", 2.0))
        assert total(latencies.signal_to_order) == 1
        assert total(latencies.commit) >= 2


async def test_a_fill_is_measured_until_it_is_durable(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        async with running(market) as latencies:
            fill = a_fill("AAPL", 10, 30.0, at=market.now)
            market.engine.inbox.post(FillReported(fill))
            await until(lambda: total(latencies.fill_to_durable) == 1)


async def test_the_time_in_which_the_book_could_not_be_written_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        async with running(market) as latencies:
            with an_unwritable_book(monkeypatch):
                market.engine.inbox.post(FillReported(a_fill("AAPL", 10, 30.0, at=market.now)))
                await asyncio.sleep(0.3)
                assert total(latencies.fill_to_durable) == 0
            await market.engine.halt_by_file("HALT")
            await until(lambda: total(latencies.fill_to_durable) == 1)
        assert latencies.fill_to_durable.as_answer()["sum_s"] >= 0.3  # type: ignore[operator]


async def until(condition: Callable[[], bool]) -> None:
    """Let the engine work until it holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (the engine brings it about)
            await asyncio.sleep(0.01)
