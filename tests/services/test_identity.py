"""One reference has one permId and one permId one reference; what does not fit is never taken over."""

from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine, assert_sound

from trader.adapters.paper.broker import Treatment
from trader.domain.events import FillReported, JournalType, OrderAccepted, OrderIdentified

PATIENT = {"entry_timeout_s": 3600}
FIRST, SECOND = "paper-1-0001", "paper-1-0002"


async def two_entries(market: Market) -> None:
    """Of JD and AAPL, which the broker knows as 71 and 72."""
    market.script = lambda _: Treatment(parts=(0,))
    await market.bar({"AAPL": 0.9, "JD": 0.9})
    await market.handle(OrderIdentified(FIRST, 71), OrderIdentified(SECOND, 72))
    await market.wait(1)


def perm_ids(market: Market) -> dict[str, int | None]:
    return dict(market.sql("SELECT order_ref, perm_id FROM orders"))


async def test_the_brokers_id_is_in_the_book_and_outlives_a_restart(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await two_entries(market)
        assert perm_ids(market) == {FIRST: 71, SECOND: 72}
        await assert_sound(market)
        await market.restart(keep_broker=True)
        await market.handle(OrderIdentified(FIRST, 71))
        assert market.journaled(JournalType.IDENTITY_BROKEN) == 0
        assert market.engine.book.orders[FIRST].perm_id == 71


async def test_it_waits_for_the_next_commit_as_an_acknowledgement_does(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await two_entries(market)
        market.script = lambda _: Treatment(parts=(0,), is_silent=True)
        await market.bar({"MSFT": 0.9})
        ref = market.one("SELECT max(order_ref) FROM orders")
        await market.engine.handle([OrderIdentified(ref, 73), OrderAccepted(ref)])
        assert perm_ids(market)[ref] is None
        await market.wait(0.1)
        assert perm_ids(market)[ref] == 73


async def broken(market: Market, *told: OrderIdentified) -> str:
    """What is said of it; the symbol is barred, and the book is as it was."""
    before = perm_ids(market)
    await market.handle(*told)
    [line] = market.log.said("IDENTITY BROKEN")
    assert market.journaled(JournalType.IDENTITY_BROKEN) == 1
    assert perm_ids(market) == before
    await assert_sound(market)
    return line


@pytest.mark.parametrize("restarted", [False, True])
async def test_two_perm_ids_of_one_reference_are_a_break(tmp_path: Path, restarted: bool) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await two_entries(market)
        if restarted:
            await market.restart(keep_broker=True)
        line = await broken(market, OrderIdentified(FIRST, 99))
        assert f"two orders under {FIRST}, permIds 71 and 99" in line
        symbol = market.one("SELECT symbol FROM orders WHERE order_ref = ?", FIRST)
        assert list(market.engine.book.halts) == [f"symbol:{symbol}"]


async def test_a_perm_id_of_another_order_is_a_break(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await two_entries(market)
        market.script = lambda _: Treatment(parts=(0,))
        await market.bar({"MSFT": 0.9})
        ref = market.one("SELECT max(order_ref) FROM orders")
        assert f"one order, permId 71, as {FIRST} and {ref}" in await broken(market, OrderIdentified(ref, 71))


async def test_a_second_perm_id_of_an_order_that_has_ended_is_a_break(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await two_entries(market)
        symbol, shares = market.sql("SELECT symbol, quantity FROM orders WHERE order_ref = ?", FIRST)[0]
        await market.handle(FillReported(a_fill(symbol, shares, 30.0, order_ref=FIRST, at=market.now)))
        assert FIRST not in market.engine.book.orders
        await broken(market, OrderIdentified(FIRST, 99))


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_perm_id_of_an_order_that_has_ended_is_no_other_orders(tmp_path: Path, restarted: bool) -> None:
    async with a_machine(tmp_path, signals=PATIENT) as market:
        await two_entries(market)
        market.broker.cancel(FIRST)
        await market.wait(1)
        if restarted:
            await market.restart(keep_broker=True)
        market.script = lambda _: Treatment(parts=(0,))
        await market.bar({"MSFT": 0.9})
        ref = market.one("SELECT max(order_ref) FROM orders")
        await broken(market, OrderIdentified(ref, 71))
