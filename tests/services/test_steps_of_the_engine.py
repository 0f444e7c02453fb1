"""What a step of the engine decides, what it keeps, and what it leaves to others."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

from builders import CONFIGURATION, NOON, a_machine

from trader import Signal
from trader.adapters.sqlite.database import InlineWriter, connect
from trader.adapters.sqlite.rows import to_us
from trader.app.settings import load_settings
from trader.app.wiring import open_book
from trader.domain.events import JournalType, OrderAccepted, Tick


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
        book = await open_book(InlineWriter(connect(path)), path, load_settings(CONFIGURATION), "replay", NOON)
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
        market.engine._marks_every = timedelta(days=1)
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
