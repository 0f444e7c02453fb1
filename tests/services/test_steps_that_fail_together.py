"""Steps that cannot be written, or are refused, one after another and together: nothing twice, nothing lost."""

from pathlib import Path

import pytest
from builders import MINUTE, Market, a_bar, a_fill, a_machine, an_unwritable_book

from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Side
from trader.domain.events import Command, CommandName, FillReported, JournalType
from trader.domain.market import BarTime
from trader.domain.order import Fill, Order
from trader.services.recent import Recent


async def one_bar(market: Market, symbol: str, close: float, *, low: float | None = None) -> None:
    """A minute of one symbol alone, which opens at its close."""
    bar = a_bar(symbol, close, start=market.now, low=low)
    await market.play(BarTime(market.now + MINUTE, MINUTE, (bar,)))


def forgotten(market: Market) -> Fill:
    """An execution of long ago, which only the book remembers, reported again."""
    [(execution, ref)] = market.sql("SELECT execution_id, order_ref FROM trades LIMIT 1")
    market.engine.trading._settlement._seen = Recent({})
    return a_fill("AAPL", 5, 200.0, execution_id=execution, order_ref=ref, at=market.now)


def slow_entries(order: Order) -> Treatment:
    return Treatment(delay_bars=6 if order.side is Side.BUY else 0)


async def test_a_late_word_of_an_older_exit_does_not_free_the_slot_of_the_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step hears it again while the book cannot be written: it sold four times what was held."""
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        market.script = lambda _: Treatment(delay_bars=5)
        sent = market.broker.orders_received
        with an_unwritable_book(monkeypatch):
            await one_bar(market, "AAPL", 200.0, low=195.0)
            market.broker.cancel("paper-1-0002")
            market.script = lambda _: Treatment(is_silent=True, delay_bars=1)
            for _ in range(8):
                await market.wait(1)
            await market.bars(3)
        assert market.broker.orders_received == sent + 2
        await market.bars(2)
        assert market.at_broker() == market.held() == {}
        market.check()


async def test_shares_that_only_a_correction_would_have_booked_do_not_leave_without_the_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        held, sent = market.held()["AAPL"], market.broker.orders_received
        found = a_fill("AAPL", 5, 200.0, order_ref="by-hand", execution_id="found", at=market.now)
        adjusts = Command(CommandName.ADJUST, "operator", "a test", "all", "", fill=found)
        with an_unwritable_book(monkeypatch):
            await market.engine.inbox.put(adjusts)
            await one_bar(market, "AAPL", 200.0, low=195.0)
            assert market.broker.orders_received == sent
        await market.wait(1)
        assert market.one("SELECT quantity FROM orders WHERE side = 'SELL'") == held + 5


async def test_a_position_bought_and_sold_while_nothing_could_be_written_is_booked_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"AAPL": 0.8})
        with an_unwritable_book(monkeypatch):
            await market.bar()
            await one_bar(market, "AAPL", 200.0, low=195.0)
            await market.bars(2)
            assert market.at_broker() == {}
            assert market.trades() == []
        await market.bar()
        assert [(side, symbol) for side, symbol, _ in market.trades()] == [("BUY", "AAPL"), ("SELL", "AAPL")]
        assert market.held() == {}
        assert market.sql("SELECT * FROM book_halts") == []
        market.check()


async def test_an_exit_in_the_book_that_ends_meanwhile_makes_room_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        market.script = lambda _: Treatment(delay_bars=9)
        await market.command(CommandName.FLATTEN)
        market.script = lambda _: Treatment()
        with an_unwritable_book(monkeypatch):
            market.broker.cancel("paper-1-0002")
            await market.settle()
            await market.wait(6)
            await market.bars(2)
            assert market.at_broker() == {}
        await market.bar()
        states = market.sql("SELECT state FROM orders WHERE side = 'SELL' ORDER BY order_ref")
        assert states == [("cancelled",), ("filled",)]
        assert market.log.said("CONTRADICTION") == []
        market.check()


async def test_a_refused_event_among_some_that_cannot_be_written_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        old = forgotten(market)
        good = a_fill("JD", 5, 30.0, order_ref="by-hand", execution_id="good", at=market.now)
        with an_unwritable_book(monkeypatch):
            await market.handle(FillReported(good), FillReported(old))
            await market.wait(1)
        await market.wait(1)
        assert market.held()["JD"] == 5
        assert market.one("SELECT count(*) FROM trades WHERE symbol = 'AAPL'") == 1


async def test_a_cancel_of_a_batch_that_was_refused_is_asked_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path, signals={"entry_timeout_s": 3600}) as market:
        await market.bars(2, {"AAPL": 0.8})
        old = forgotten(market)
        market.script = slow_entries
        await market.bar({"JD": 0.8})
        await market.handle(FillReported(old), Command(CommandName.FLATTEN, "operator", "a test"))
        await market.bars(10)
        assert market.held() == {}
        market.check()


async def test_what_a_strategy_said_counts_when_its_bar_is_decided_again(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        old = forgotten(market)
        market.strategy.words = {"JD": 0.8}
        market.clock.set(market.now + MINUTE)
        await market.handle(FillReported(old), market.quiet_bar_time())
        assert ("BUY", "JD") in market.working()


@pytest.mark.parametrize("refused", [False, True])
async def test_one_wild_print_does_not_confirm_itself_when_it_is_decided_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        held = market.held()
        if refused:
            bar_time = BarTime(market.now + MINUTE, MINUTE, (a_bar("AAPL", 100.0, start=market.now),))
            market.clock.set(bar_time.ends_at)
            await market.handle(FillReported(forgotten(market)), bar_time)
        else:
            with an_unwritable_book(monkeypatch):
                await one_bar(market, "AAPL", 100.0)
        for _ in range(3):
            await one_bar(market, "AAPL", 200.0)
        assert market.held() == held


async def test_a_bar_from_before_a_position_does_not_close_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Treatment(delay_bars=1)
    async with a_machine(tmp_path, script=lambda _: slow, signals={"entry_timeout_s": 600}) as market:
        await market.bar({"AAPL": 0.8})
        with an_unwritable_book(monkeypatch):
            await one_bar(market, "AAPL", 200.0, low=195.0)
        market.script = lambda _: Treatment()
        await market.bars(4)
        assert set(market.held()) == {"AAPL"}


async def test_what_could_not_be_written_is_written_at_an_orderly_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"AAPL": 0.8})
        with an_unwritable_book(monkeypatch):
            await market.bar()
        await market.engine.drain()
        await market.engine.mark(JournalType.RUN_STOPPED, reason="a test")
        assert market.held() == market.at_broker() != {}


async def test_a_removed_spill_file_is_made_again_for_the_next_exit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        market.script = lambda _: Treatment(delay_bars=9)
        market.spill.path.unlink()
        with an_unwritable_book(monkeypatch):
            await one_bar(market, "AAPL", 200.0, low=195.0)
        await market.restart(keep_broker=True)
        assert len(market.log.said("SPILLED EXIT")) == 1
        market.check()
