"""A live position that memory has lost is not written over: incident 3's row in closing, invisible and made again."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine

from trader.adapters.paper.broker import Treatment
from trader.domain.errors import BookBroken
from trader.domain.order import Order


def silent(_: Order) -> Treatment:
    return Treatment(parts=(0,), ignore_cancel=True)


async def held_and_lost(market: Market, *, lots: bool) -> None:
    """Shares of JD are held and on their way out; then memory has none, or none of the position."""
    await market.bar({"JD": 0.9})
    await market.report(a_fill("JD", 400, 30.0, order_ref="paper-1-0001", execution_id="X1", at=market.now))
    await market.bar(closes={"JD": 29.0})
    assert market.sql("SELECT state FROM positions") == [("closing",)]
    book = market.engine.book
    market.engine.book = replace(book, positions={}, lots={} if lots else book.lots)


@pytest.mark.parametrize("lots", [True, False])
async def test_a_position_that_memory_has_lost_is_not_written_over(tmp_path: Path, lots: bool) -> None:
    async with a_machine(tmp_path, script=silent) as market:
        await held_and_lost(market, lots=lots)
        before = market.sql("SELECT * FROM book_positions")
        with pytest.raises(BookBroken, match=r"holds 410 JD in its lots, and this process knows of 10"):
            await market.report(a_fill("JD", 10, 30.0, order_ref="hand", execution_id="H1", at=market.now))
        assert market.sql("SELECT * FROM book_positions") == before
        await market.restart()
        assert market.held() == {"JD": 400}
