"""A step that cannot be written, and a step that the book's own rules refuse: what is lost, and what goes on."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from builders import MINUTE, Market, a_bar, a_fill, a_machine, an_unwritable_book

from trader import Signal
from trader.adapters.paper.broker import Treatment
from trader.domain.decision import Side
from trader.domain.errors import BookUnwritable
from trader.domain.events import Command, CommandName, FillReported, InboxOffset, JournalType, SignalReceived, Tick
from trader.domain.market import BarTime
from trader.domain.order import Fill, Order
from trader.services.recent import Recent
from trader.services.settlement import Settlement


async def holding(market: Market, *symbols: str) -> None:
    """Buy these."""
    await market.bars(2, dict.fromkeys(symbols, 0.8))
    assert set(market.held()) == set(symbols)


def slow_exits(order: Order) -> Treatment:
    return Treatment(delay_bars=5 if order.side is Side.SELL else 0)


# -- what cannot be written now ------------------------------------------------------------------------------------


async def test_a_stop_touched_on_a_bar_that_could_not_be_written_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await holding(market, "QQQ")
        with an_unwritable_book(monkeypatch):
            await market.play(BarTime(market.now + MINUTE, MINUTE, (a_bar("QQQ", 499.0, start=market.now, low=485.0),)))
        assert market.working() == []
        await market.bars(3)
        assert market.held() == {}
        assert market.one("SELECT exit_reason FROM round_trips") == "stop"


async def test_a_signal_that_was_not_written_may_be_handed_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch), pytest.raises(BookUnwritable):
            await market.submit("QQQ", 0.8, "mine")
        await market.bar()
        await market.bar({"JD": 0.5})
        await market.submit("JD", 0.5)
        assert (await market.submit("QQQ", 0.8, "mine")).ticket is not None


async def test_lines_of_the_inbox_wait_until_the_book_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their offset was not kept, and the next line's would jump over them."""
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            line = SignalReceived(Signal("QQQ", 0.8, id="a1"), "inbox", InboxOffset("in.jsonl", 50, 1))
            await market.handle(line)
        await market.handle(SignalReceived(Signal("JD", 0.8, id="a2"), "inbox", InboxOffset("in.jsonl", 100, 2)))
        kept = dict(market.sql("SELECT id, outcome FROM signals"))
        assert set(kept) == {"a1", "a2"}
        assert market.one("SELECT line FROM book_inbox") == 2


async def test_an_entry_that_was_not_written_is_no_opening_of_its_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch), pytest.raises(BookUnwritable):
            await market.submit("QQQ", 0.8)
        await market.submit("JD", 0.5)
        assert (await market.submit("QQQ", 0.8)).ticket is not None


async def test_a_halt_file_is_told_once_however_long_the_book_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            for _ in range(20):
                await market.engine.halt_by_file("HALT")
                await market.handle(Tick())
        await market.handle(Tick())
        assert market.journaled(JournalType.COMMAND) == 1
        assert "all" in market.engine.book.halts


# -- what contradicts the book -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 0},
        {"price_micros": 0},
        {"price_micros": 1},
        {"price_micros": 2**70},
        {"account": "other"},
        {"symbol": "\ud800"},
    ],
    ids=str,
)
async def test_an_execution_that_cannot_be_stops_entries_and_nothing_else(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    async with a_machine(tmp_path) as market:
        await holding(market, "QQQ")
        fill = a_fill("QQQ", 5, 500.0, execution_id="odd", at=market.now)._replace(**wrong)  # type: ignore[arg-type]
        await market.report(fill, 3)
        assert market.journaled(JournalType.UNEXPECTED_FILL) == 1
        assert [halt.covers("QQQ", "QQQ") for halt in market.engine.book.halts.values()] == [True]
        await market.bars_until("16:00")
        assert market.held() == {}
        assert market.journaled(JournalType.FLAT_PROVEN) == 1
        market.check()


async def test_what_only_the_database_refuses_is_left_out_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own check taken out: the constraint of the table is the last to say no, and only to the guilty one."""
    monkeypatch.setattr(Fill, "fault", "")
    async with a_machine(tmp_path) as market:
        await holding(market, "QQQ")
        good = a_fill("JD", 10, 30.0, order_ref="by-hand", execution_id="good", at=market.now)
        await market.handle(FillReported(good._replace(execution_id="bad", quantity=0)), FillReported(good))
        assert market.held()["JD"] == 10
        assert len(market.log.said("CONTRADICTION FillReported was left out")) == 1
        await market.bars_until("16:00")
        assert market.held() == {}


async def test_an_execution_from_long_ago_is_recognised_by_the_book(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await holding(market, "QQQ")
        [(execution, quantity)] = market.sql("SELECT execution_id, quantity FROM trades")
        market.engine.trading._settlement._seen = Recent({})
        await market.report(a_fill("QQQ", quantity, 500.0, execution_id=execution, at=market.now))
        assert market.held() == {"QQQ": quantity}
        assert not market.log.errors
        answer = await market.command(
            CommandName.ADJUST, fill=a_fill("JD", 1, 30.0, execution_id=execution, at=market.now)
        )
        assert answer.startswith("refused")
        assert market.sql("SELECT * FROM book_halts") == []


async def test_an_old_correction_is_refused_and_nothing_else_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await holding(market, "QQQ")
        execution = market.one("SELECT execution_id FROM trades")
        monkeypatch.setattr(Settlement, "knows", lambda *_: False)
        again = a_fill("JD", 1, 30.0, execution_id=execution, at=market.now)
        answer = await market.command(CommandName.ADJUST, fill=again)
        assert answer == "refused: this execution is booked already"
        await market.command(CommandName.FLATTEN)
        await market.bar()
        assert market.held() == {}


async def test_halt_and_resume_in_one_step_are_written_in_their_order(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        halt = Command(CommandName.HALT, "operator", "one")
        resume = Command(CommandName.RESUME, "operator", "two")
        await market.handle(halt, resume)
        assert market.engine.book.halts == {}
        assert market.one("SELECT count(*) FROM book_halts WHERE cleared_us IS NULL") == 0
        await market.handle(*(replace(command) for command in (halt, resume, halt, resume, halt)))
        assert set(market.engine.book.halts) == {"all"}
        assert market.one("SELECT count(*) FROM book_halts WHERE cleared_us IS NULL") == 1
        assert not market.log.errors


# -- exits that no longer fit --------------------------------------------------------------------------------------


async def test_an_exit_that_asks_for_more_than_is_still_held_is_replaced(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=slow_exits) as market:
        await holding(market, "QQQ")
        held = market.held()["QQQ"]
        await market.command(CommandName.FLATTEN)
        await market.report(a_fill("QQQ", 5, 500.0, side=Side.SELL, order_ref="by-hand", at=market.now))
        market.broker._positions["QQQ"] -= 5
        market.script = lambda _: Treatment()
        await market.wait(6)
        assert market.sql("SELECT quantity, state FROM orders WHERE side = 'SELL' ORDER BY order_ref") == [
            (held, "cancelled"),
            (held - 5, "created"),
        ]
        await market.bars(2)
        assert market.held() == {}
        assert market.broker._positions["QQQ"] == 0
        market.check()


async def test_an_exit_that_sold_more_than_was_held_ends_with_the_position(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=slow_exits) as market:
        await holding(market, "QQQ")
        held = market.held()["QQQ"]
        await market.command(CommandName.FLATTEN)
        [(ref,)] = market.sql("SELECT order_ref FROM orders WHERE side = 'SELL'")
        by_hand = a_fill("QQQ", 5, 500.0, side=Side.SELL, order_ref="by-hand", execution_id="h", at=market.now)
        exit_ = a_fill("QQQ", held, 500.0, side=Side.SELL, order_ref=ref, execution_id="x", at=market.now)
        await market.handle(FillReported(by_hand), FillReported(exit_))
        assert market.held() == {}
        assert market.working() == []
        assert market.sql("SELECT state, filled FROM orders WHERE order_ref = ?", ref) == [("filled", held)]
        assert "5 at 500000000 micros" in market.one("SELECT data FROM events WHERE type = 'unexpected_fill'")
        market.check(but=["an order is filled by its fills and not beyond"])


# -- stops in a fall -----------------------------------------------------------------------------------------------


async def test_a_second_bar_beyond_the_stop_confirms_it_however_far_it_falls(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        close = market.prices["AAPL"]
        for bar in range(3):
            close *= 0.93
            await market.bar(closes={"AAPL": close})
            assert bool(market.working()) is (bar == 1), "one print may be wrong; two are not"
        assert market.held() == {}


async def test_one_wild_print_triggers_nothing(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await holding(market, "AAPL")
        await market.bar(closes={"AAPL": 100.0})
        market.prices["AAPL"] = 200.0
        await market.bars(3)
        assert set(market.held()) == {"AAPL"}


async def test_an_exit_that_the_database_refuses_does_not_leave(tmp_path: Path) -> None:
    """Also where nothing else is in its transaction; it is tried again, and a person is told."""
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        left = market.broker.orders_received
        await market.book.writer.transact(refuse_sales)
        await market.bar({"AAPL": 0.5})
        assert market.log.said("EXIT REFUSED BY THE DATABASE")
        assert (market.broker.orders_received, market.engine.book.exits, market.working()) == (left, {}, [])
        await market.without("no_sales")
        await market.bars(2)
        assert market.held() == {}


def refuse_sales(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TRIGGER no_sales BEFORE INSERT ON book_orders WHEN NEW.side = 'SELL' "
        "BEGIN SELECT RAISE(ABORT, 'no_sales'); END"
    )
