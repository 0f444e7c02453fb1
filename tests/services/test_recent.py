"""A daemon runs for months: what it remembers by id is bounded by days."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from builders import NOON, Market, a_fill, a_machine

from trader.domain.events import Evidence
from trader.domain.order import Fill
from trader.services.ports import Booking
from trader.services.recent import REMEMBERED, Recent

DAY = timedelta(days=1)


def test_what_is_young_is_known() -> None:
    recent = Recent({"found": 1})
    recent.add("new", 2, NOON)
    assert (recent.get("found"), recent.get("new"), recent.get("never")) == (1, 2, None)
    assert "found" in recent
    assert "new" in recent


def test_what_is_old_is_forgotten() -> None:
    recent = Recent({"found": 0})
    for day in range(100):
        recent.add(f"of day {day}", day, NOON + day * DAY)
    assert len(recent) == REMEMBERED // DAY + 1
    assert "found" not in recent
    assert "of day 89" in recent


def test_what_has_not_happened_is_not_known() -> None:
    recent = Recent[int]({})
    recent.add("a", 1, NOON)
    recent.forget(["a", "never"])
    assert "a" not in recent
    recent.add("a", 2, NOON + DAY)
    assert recent.get("a") == 2


# what memory has forgotten, the book is asked


async def bought(market: Market) -> Fill:
    """By hand, now."""
    fill = a_fill("JD", 1, 30.0, order_ref="by-hand", at=market.now)
    await market.report(fill)
    return fill


def told(*fills: Fill) -> Evidence:
    return Evidence(fills, frozenset(), {}, None)


async def test_what_is_forgotten_is_looked_up_in_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        fills = [await bought(market) for _ in range(20)]
        await market.jump(market.now + 2 * REMEMBERED)
        await bought(market)
        store = market.book.store
        booked, asked = store.booked, []

        async def counted(executions: Collection[str]) -> Mapping[str, Booking]:
            asked.append(len(executions))
            return await booked(executions)

        monkeypatch.setattr(store, "booked", counted)
        assert (await market.engine.news_of(told(*fills))).executions == ()
        assert asked == [20]


async def test_what_is_forgotten_while_the_book_is_asked_is_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        first = await bought(market)
        await market.jump(market.now + timedelta(hours=1))
        second = await bought(market)
        await market.jump(first.executed_at + REMEMBERED + timedelta(minutes=30))
        await bought(market)
        store = market.book.store
        booked = store.booked

        async def slow(executions: Collection[str]) -> Mapping[str, Booking]:
            await market.jump(second.executed_at + REMEMBERED + timedelta(minutes=1))
            await bought(market)
            return await booked(executions)

        monkeypatch.setattr(store, "booked", slow)
        assert (await market.engine.news_of(told(first, second))).executions == ()
