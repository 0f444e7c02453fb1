"""What a step of the engine decides, what it keeps, and what it leaves to others."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from builders import CONFIGURATION, NOON, a_machine, an_unwritable_book

from trader import Signal
from trader.adapters.paper.broker import Treatment
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.adapters.sqlite.rows import to_us
from trader.app.settings import load_settings
from trader.app.wiring import open_book
from trader.domain.decision import Outcome, Rule, Stage
from trader.domain.errors import BookUnwritable
from trader.domain.events import CommandName, JournalType, OrderAccepted, Tick
from trader.domain.portfolio import Portfolio


async def test_a_signal_is_kept_under_its_own_symbol(tmp_path: Path) -> None:
    """The refusal may name another one: the instrument that could not be bought."""
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.95})
        await market.bar()
        await market.bar({"QQQ": 0.05})
        symbol, detail = market.sql("SELECT symbol, detail FROM signals WHERE rule = 'turning'")[0]
        assert symbol == "QQQ"
        assert detail.startswith("SQQQ: ")


async def test_a_start_that_died_before_its_first_event_is_made_good(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    for _ in range(2):
        settings = load_settings(CONFIGURATION)
        book = await open_book(InlineWriter(connect(path)), path, settings, "replay", 0, NOON)
        assert book.journal_is_empty
        await book.store.close()


async def test_a_fill_in_the_queue_is_not_overtaken_by_the_cancel_of_its_entry(tmp_path: Path) -> None:
    """Late is judged when time is told, after everything that was reported before it."""
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.95})
        market.clock.set(market.clock.now() + timedelta(hours=1))
        await market.engine.handle([OrderAccepted("of-another-order")])
        assert market.one("SELECT state FROM orders") == "working"
        await market.engine.handle([Tick()])
        assert market.one("SELECT state FROM orders") == "cancelling"


async def test_between_two_steps_of_a_burst_the_loop_has_its_turn(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar()
        asked = [asyncio.ensure_future(market.engine.submit(Signal("QQQ", 0.5))) for _ in range(5_000)]
        running = asyncio.create_task(market.engine.run())
        answered_at_a_turn: list[int] = []
        while not all(answer.done() for answer in asked):
            await asyncio.sleep(0)
            answered_at_a_turn.append(sum(answer.done() for answer in asked))
        market.engine.stop()
        await running
        steps = [after - before for before, after in zip([0, *answered_at_a_turn], answered_at_a_turn, strict=False)]
        assert max(steps) <= 512


async def test_a_quiet_position_is_valued_anew_every_minute(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar()
        for close in (500.5, 501.0, 500.25):
            await market.bar(closes={"QQQ": close})
            assert market.sql("SELECT price_micros, at_us FROM book_marks WHERE symbol = 'QQQ'") == [
                (round(close * 1e6), to_us(market.now))
            ]
            equity = market.engine.book.equity_micros(market.engine.trading.prices)
            assert market.one("SELECT equity FROM account") == round(equity / 1e6, 2)
        assert market.one("SELECT count(*) FROM book_fills") == 1


async def test_at_the_end_of_a_run_everything_held_is_valued(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"QQQ": 0.8, "AAPL": 0.8})
        market.engine._marks._every = timedelta(days=1)
        await market.bar(closes={"QQQ": 500.5, "AAPL": 200.5})
        await market.bar(closes={"QQQ": 501.0, "AAPL": 201.0})
        await market.engine.mark(JournalType.RUN_STOPPED, reason="a test")
        marks = dict(market.sql("SELECT symbol, price_micros FROM book_marks"))
        assert marks == {"QQQ": 501_000_000, "AAPL": 201_000_000}


async def test_nonsense_of_a_strategy_is_said_at_the_first_tenth_and_hundredth_time(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for _ in range(101):
            await market.bar({"QQQ": 1.7})
        said = [re.search(r"\(number (\d+)\)", sentence) for sentence in market.log.said("STRATEGY")]
        assert [match[1] for match in said if match] == ["1", "10", "100"]
        assert len(said) == 3


async def test_a_cancel_that_was_not_committed_was_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does an entry of unknown fate show by its state that it was asked: it has to be asked again."""
    async with a_machine(tmp_path, script=lambda _: Treatment(lose_acknowledgement=True, parts=(0,))) as market:
        await market.bar({"JD": 0.9})
        with an_unwritable_book(monkeypatch):
            await market.wait(61)
        assert market.one("SELECT state FROM orders") == "unknown"
        await market.wait(1)
        assert market.one("SELECT state FROM orders") == "cancelled"
        market.check()


async def test_a_command_that_could_not_be_written_is_done_once_as_soon_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            answer = await market.command(CommandName.CASH, amount_micros=1_000_000)
            assert answer.startswith("refused for now")
            assert market.one("SELECT cash FROM account") == 100_000
            assert (await market.command(CommandName.HALT)).startswith("entries are stopped")
        for _ in range(3):
            await market.wait(1)
        assert market.one("SELECT cash FROM account") == 100_001
        assert market.journaled(JournalType.CASH_MOVED) == market.journaled(JournalType.HALTED) == 1
        assert len(market.log.said("BOOK UNWRITABLE")) == 1
        market.check()


async def test_entries_stop_with_the_first_step_that_was_not_written_and_go_on_with_the_first_that_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch):
            await market.bar({"QQQ": 0.8})
            assert market.broker.orders_received == 0
        await market.bar({"AAPL": 0.8})
        assert market.rules() == ["book_unwritable"]
        assert market.broker.orders_received == 0
        await market.handle(OrderAccepted("of-another-order"))
        await market.bar({"AAPL": 0.8})
        await market.bar({"AAPL": 0.8})
        assert market.broker.orders_received == 1


async def test_a_signal_that_could_not_be_written_is_told_so_and_not_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        with an_unwritable_book(monkeypatch), pytest.raises(BookUnwritable):
            await market.submit("QQQ", 0.8)
        await market.bars(3)
        assert market.broker.orders_received == 0
        assert market.rules() == []


async def test_the_broker_hears_of_exits_first_then_of_cancels_then_of_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"JD": 0.9})
        await market.bar()
        market.script = lambda _: Treatment(parts=(0,))
        await market.bar({"MSFT": 0.9})
        heard: list[str] = []
        monkeypatch.setattr(market.broker, "place", lambda order, *_: heard.append(f"{order.side} {order.symbol}"))
        monkeypatch.setattr(market.broker, "cancel", heard.append)
        await market.bar({"AAPL": 0.9, "MSFT": 0.5, "JD": 0.5})
        assert heard == ["SELL JD", "paper-1-0002", "BUY AAPL"]


async def test_what_was_answered_is_in_the_book_whatever_happens_then(tmp_path: Path) -> None:
    """A refusal has no consequence that would have to be durable, but its id was told to somebody."""
    async with a_machine(tmp_path) as market:
        decision = await market.submit("NOPE", 0.5)
        await market.restart()
        assert market.sql("SELECT id, rule FROM signals") == [(decision.signal.id, "unknown_symbol")]


async def test_signals_that_wait_for_a_commit_are_written_at_the_stop(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 1.5})
        assert market.rules() == []
        await market.engine.mark(JournalType.RUN_STOPPED, reason="a test")
        assert market.rules() == ["bad_probability"]


async def test_a_halt_file_that_stays_halts_once(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        for _ in range(3):
            await market.engine.halt_by_file("HALT")
            await market.settle()
        assert "all" in market.engine.book.halts
        assert market.journaled(JournalType.COMMAND) == market.journaled(JournalType.HALTED) == 1


async def test_the_file_that_halts_is_named(tmp_path: Path) -> None:
    """HALT is of all accounts in the folder, HALT.tiny of one: who looks for it finds the one that is there."""
    async with a_machine(tmp_path) as market:
        await market.engine.halt_by_file("HALT.tiny")
        await market.settle()
        assert "HALT.tiny" in market.engine.book.halts["all"].reason


async def test_the_feed_goes_on_over_a_bar_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exits need the bars that come."""
    async with a_machine(tmp_path) as market:
        running = asyncio.create_task(market.engine.run())
        with an_unwritable_book(monkeypatch):
            market.strategy.words = {"QQQ": 0.8}
            await market.engine.deliver(market.quiet_bar_time())
            assert market.log.said("BOOK UNWRITABLE")
        await market.engine.deliver(market.quiet_bar_time())
        market.engine.stop()
        await running


async def test_who_asked_hears_what_the_database_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the entry that was not made does not count as an opening of the day."""

    def nothing(*_: object) -> None:
        """A ticket is not counted."""

    monkeypatch.setattr(Portfolio, "take", nothing)
    async with a_machine(tmp_path, limits={"position_pct": 45.0, "gross_pct": 200.0, "order_notional": 1e9}) as market:
        asked = [asyncio.ensure_future(market.engine.submit(Signal(name, 0.9))) for name in ("AAPL", "MSFT", "JD")]
        await asyncio.sleep(0)
        await market.settle()
        answers = [await answer for answer in asked]
        assert [answer.outcome for answer in answers] == [Outcome.ORDERED, Outcome.ORDERED, Outcome.REFUSED]
        refusal = answers[2].refusal
        assert refusal is not None
        assert (refusal.stage, refusal.rule) == (Stage.LOCK, Rule.CASH_RESERVE)
        assert market.broker.orders_received == 2
        day, bought = market.engine.book.day, market.one("SELECT sum(quantity * limit_micros) FROM book_orders")
        assert day is not None
        assert (day.openings, day.notional_micros) == (2, bought)


@pytest.mark.parametrize("turning", [1, 2, 5])
async def test_a_signal_that_may_be_decided_again_counts_once(tmp_path: Path, turning: int) -> None:
    """What waits for a close to fill has a row of its own: ordered later, it is not refused as well."""
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.95})
        await market.bar()
        before = market.one("SELECT sum(count) FROM signals")
        asked = [asyncio.ensure_future(market.engine.submit(Signal("QQQ", 0.05))) for _ in range(turning)]
        await asyncio.sleep(0)
        await market.settle()
        await asyncio.gather(*asked)
        await market.bar()
        assert market.held() == {}
        counts = dict(market.sql("SELECT outcome, sum(count) FROM signals WHERE probability = 0.05 GROUP BY 1"))
        assert counts == {"ordered": 1, **({"closing": turning - 1} if turning > 1 else {})}
        assert market.one("SELECT sum(count) FROM signals") == before + turning
