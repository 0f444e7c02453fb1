"""What the book keeps of what was asked, refused and undone, so that its story can be told."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from builders import MINUTE, a_fill, a_machine

from trader import Signal
from trader.adapters.run_lock import Holder
from trader.app.links import AccountRows, find_links
from trader.app.requests import Requests
from trader.app.story import tell
from trader.domain.decision import Side
from trader.domain.events import CommandName, SignalReceived


async def test_a_refused_signal_keeps_its_id_and_its_probability(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.handle(SignalReceived(Signal("QQQ", 0.8, market.now - timedelta(hours=1), "late"), "outside"))
        await market.handle(SignalReceived(Signal("ZZZZ", 0.7, id="where"), "outside"))
        await market.handle(SignalReceived(Signal("QQQ", 1.7, id="much"), "outside"))
        await market.bar({"QQQ": 0.9})
        kept = market.sql("SELECT id, symbol, probability, rule FROM signals WHERE source = 'outside' ORDER BY rowid")
        assert kept == [
            ("late", "QQQ", 0.8, "expired"),
            ("where", "ZZZZ", 0.7, "unknown_symbol"),
            ("much", "QQQ", 1.7, "bad_probability"),
        ]


async def test_an_id_is_used_up_by_a_refusal_too(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.handle(SignalReceived(Signal("QQQ", 0.8, market.now + MINUTE, "a1"), "outside"))
        again = await market.submit("QQQ", 0.8, "a1")
        assert again.refusal is not None
        assert again.refusal.rule == "repeated"
        await market.bar({"AAPL": 0.8})
        await market.restart()
        again = await market.submit("QQQ", 0.8, "a1")
        assert again.refusal is not None
        assert again.refusal.rule == "repeated"


async def test_a_cancelled_entry_says_who_cancelled_it(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.prices["AAPL"] = 200.0
        await market.bar({"AAPL": 0.8, "MSFT": 0.8, "JD": 0.8})
        await market.submit("AAPL", 0.5, "away")
        await market.command(CommandName.FLATTEN, "symbol", "MSFT")
        await market.bar()
        reasons = dict(
            market.sql(
                "SELECT symbol, json_extract(data, '$.reason') FROM events "
                "WHERE type = 'order_state' AND json_extract(data, '$.state') = 'cancelling'"
            )
        )
        assert reasons == {"AAPL": "signal away, probability 0.5", "MSFT": "flatten: a test"}


async def test_a_corrected_position_says_that_it_was_corrected(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, {"AAPL": 0.8})
        [fill] = market.sql("SELECT quantity FROM trades")
        reverse = a_fill("AAPL", fill[0], 200.0, side=Side.SELL, execution_id="adjust-1", order_ref="adjust-1")
        answer = await market.command(CommandName.ADJUST, fill=reverse)
        assert not answer.startswith("refused")
        assert market.one("SELECT exit_reason FROM round_trips") == "adjust"
        assert market.one("SELECT reason FROM trades WHERE side = 'SELL'") == "a test"
        market.check(but=["cash"])


@pytest.mark.parametrize(
    ("scope", "target", "why"),
    [
        ("family", "TQQQ", "it belongs to the family QQQ"),
        ("family", "NOPE", "in no family"),
        ("symbol", "NOPE", "no bar of it has been seen"),
    ],
)
@pytest.mark.parametrize("name", [CommandName.HALT, CommandName.FLATTEN])
async def test_a_halt_that_would_bar_nothing_is_refused(
    tmp_path: Path, name: CommandName, scope: str, target: str, why: str
) -> None:
    async with a_machine(tmp_path) as market:
        answer = await market.command(name, scope, target)
        assert answer.startswith("refused")
        assert why in answer
        assert market.sql("SELECT * FROM book_halts") == []


@pytest.mark.parametrize(("scope", "target"), [("family", "QQQ"), ("symbol", "TQQQ"), ("family", "AAPL")])
async def test_a_halt_of_something_known_bars_it(tmp_path: Path, scope: str, target: str) -> None:
    async with a_machine(tmp_path) as market:
        assert not (await market.command(CommandName.HALT, scope, target)).startswith("refused")
        assert market.sql("SELECT scope, target FROM book_halts") == [(scope, target)]


async def test_a_strategy_that_names_a_symbol_without_bars_is_told_so(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        market.strategy.on_bar = lambda bar: [Signal("NOPE", 0.9)] if bar.symbol == "QQQ" else []  # type: ignore[method-assign]
        await market.bar()
        await market.bars(2)
        assert set(market.rules()) <= {"unknown_symbol"}


async def test_entries_are_not_resumed_while_the_halt_file_lies_there(tmp_path: Path) -> None:
    halt_file = tmp_path / "HALT"
    async with a_machine(tmp_path) as market:
        await market.command(CommandName.HALT)
        halt_file.touch()
        requests = Requests(market.engine, market.clock, Holder(1, "1", "x", "now"), [halt_file], lambda _: None)
        answer = await requests.answer({"ask": "resume", "operator": "me", "reason": "over"})
        assert answer["refused"] is True
        assert str(halt_file) in str(answer["message"])
        assert json.loads(json.dumps(answer)) == answer
        assert "all" in market.engine.book.halts


async def test_the_story_of_a_position_has_its_raised_stops_and_what_the_broker_held(tmp_path: Path) -> None:
    async with a_machine(tmp_path, exits={"trailing_pct": 1.0, "take_profit_pct": 20.0}) as market:
        await market.bars(2, {"AAPL": 0.8})
        await market.bar(closes={"AAPL": 203.0})
        held = market.broker._positions["AAPL"]
        market.broker._positions["AAPL"] = held - 4
        await market.restart(keep_broker=True)
        market.broker._positions["AAPL"] = held
        await market.engine.inquire()
        await market.settle()
        rows = AccountRows(market.reader, "paper")
        links = find_links(rows, "1")
        assert links is not None
        told = [(line.what, line.said) for line in tell(rows, links)]
        assert ("exit plan", "stop raised to 200.97") in told
        assert ("drift", f"book {held}, broker {held - 4}") in told
        assert ("drift", f"ended: book and broker have {held}") in told
