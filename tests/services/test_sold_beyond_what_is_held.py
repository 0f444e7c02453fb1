"""A sale of more than is held moves its order once: told again, corrected or booked later, it is the same sale."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine, assert_sound

from trader.adapters.paper.broker import Treatment
from trader.adapters.sqlite.projections import compare
from trader.domain.decision import Side
from trader.domain.order import Fill, Order

ENTRY, EXIT = "paper-1-0001", "paper-1-0002"


def silent(_: Order) -> Treatment:
    """A broker that only says what the test reports."""
    return Treatment(parts=(0,), ignore_cancel=True)


async def sold_ahead(market: Market, by_hand: int = 0) -> tuple[Fill, Fill]:
    """All shares are sold by hand but so many; then the exit of all of them is heard, and it sells them all.

    The reports of that exit, and of a purchase by hand that the broker tells later.
    """
    await market.bar({"JD": 0.9})
    ordered = int(market.one("SELECT quantity FROM orders WHERE side = 'BUY'"))
    await market.report(a_fill("JD", ordered, 30.0, order_ref=ENTRY, execution_id="X1", at=market.now))
    await market.bar(closes={"JD": 29.0})
    hand = a_fill("JD", ordered - by_hand, 29.0, side=Side.SELL, order_ref="hand", execution_id="H1", at=market.now)
    await market.report(hand)
    sale = a_fill("JD", ordered, 29.0, side=Side.SELL, order_ref=EXIT, execution_id="S1", at=market.now)
    await market.report(sale)
    late = a_fill("JD", ordered, 29.0, order_ref="hand-2", execution_id="H2", at=market.now)
    return sale, late


def exit_of(market: Market) -> tuple[int, int, str]:
    [order] = market.sql("SELECT quantity, filled, state FROM book_orders WHERE order_ref = ?", EXIT)
    return order


async def assert_filled_once(market: Market) -> None:
    quantity, filled, state = exit_of(market)
    assert (filled, state) == (quantity, "filled")
    await assert_the_journal_says_so(market)


async def assert_the_journal_says_so(market: Market) -> None:
    """The shares beyond what was held are nowhere but in their order, and in the journal."""
    market.check(but={"an order is filled by its fills and not beyond"})
    with closing(sqlite3.connect(market.path, isolation_level=None)) as connection:
        assert compare(connection, "paper").findings == []


async def test_told_again_to_the_next_run_it_moves_its_order_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        sale, _ = await sold_ahead(market)
        for _ in range(2):
            await market.restart()
            await market.report(sale)
            await assert_filled_once(market)


async def test_booked_by_a_later_run_it_moves_its_order_once(tmp_path: Path) -> None:
    """The purchase of what it has sold was not heard before it."""
    async with a_machine(tmp_path, script=silent) as market:
        sale, late = await sold_ahead(market)
        await market.restart()
        await market.report(late)
        await market.report(sale)
        assert market.held() == {}
        assert market.one("SELECT sum(quantity) FROM trades WHERE execution_id = 'S1'") == sale.quantity
        await assert_filled_once(market)


async def test_booked_by_a_later_run_and_then_corrected_it_moves_its_order_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        sale, late = await sold_ahead(market)
        await market.restart()
        await market.report(late)
        await market.report(sale)
        await market.report(sale._replace(execution_id="S1.2", corrects=("S1",), quantity=sale.quantity - 10))
        assert market.held() == {"JD": 10}
        assert exit_of(market)[1] == sale.quantity - 10
        await assert_the_journal_says_so(market)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("by_hand", [0, 100])
async def test_corrected_and_then_booked_it_moves_its_order_once(tmp_path: Path, restarts: bool, by_hand: int) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        sale, late = await sold_ahead(market, by_hand)
        await market.report(late)
        if restarts:
            await market.restart()
        await market.report(sale._replace(execution_id="S1.2", corrects=("S1",)))
        await assert_filled_once(market)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("by_hand", [0, 100])
async def test_corrected_to_fewer_shares_its_order_has_no_more_of_them(
    tmp_path: Path, restarts: bool, by_hand: int
) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        sale, _ = await sold_ahead(market, by_hand)
        if restarts:
            await market.restart()
        await market.report(sale._replace(execution_id="S1.2", corrects=("S1",), quantity=50 + by_hand))
        assert exit_of(market)[1] == 50 + by_hand
        await assert_the_journal_says_so(market)


@pytest.mark.parametrize("restarts", [False, True])
async def test_busted_it_has_moved_its_order_by_nothing(tmp_path: Path, restarts: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        sale, _ = await sold_ahead(market)
        if restarts:
            await market.restart()
        await market.report(sale._replace(execution_id="S1.2", corrects=("S1",), quantity=0))
        assert exit_of(market)[1] == 0
        await assert_sound(market)


async def test_what_was_sold_beyond_is_said_and_kept_as_text(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        sale, _ = await sold_ahead(market, by_hand=100)
        assert market.log.said(f"UNEXPECTED EXECUTION JD: JD: execution S1 sells {sale.quantity} of 100 held;")
        [(reported,)] = market.sql("SELECT data ->> 'reported' FROM events WHERE type = 'unexpected_fill'")
        assert reported.startswith(f"SELL {sale.quantity - 100} at 29000000 micros")


async def test_corrected_it_is_no_surprise_to_its_order(tmp_path: Path) -> None:
    """What is beyond what is held is said anew; not that the order is filled already: that was by this execution."""
    async with a_machine(tmp_path, script=silent) as market:
        sale, _ = await sold_ahead(market, by_hand=100)
        said = len(market.log.said("UNEXPECTED EXECUTION JD"))
        await market.report(sale._replace(execution_id="S1.2", corrects=("S1",)))
        assert len(market.log.said("UNEXPECTED EXECUTION JD")) == said + 1
