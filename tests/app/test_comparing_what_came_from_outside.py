"""What came from outside of the code that is compared is an input; and what was not recorded is said to be so."""

import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import MINUTE, MONDAY, a_fill, an_unwritable_book, session_of
from lived_day import LivedDay, a_lived_day

from trader.adapters.sqlite.rows import to_us
from trader.domain.breaker import Breaker
from trader.domain.decision import Side
from trader.domain.events import (
    BadLine,
    BreakerMeasured,
    Command,
    CommandName,
    Evidence,
    InboxOffset,
    JournalType,
    JsonValue,
    Tick,
)
from trader.services.deciding import Deciding
from trader.services.engine import Engine

Capsys = pytest.CaptureFixture[str]


def the_untold(told: Mapping[str, object]) -> dict[str, object]:
    """The one place from which on a run is not compared."""
    listed = told["not_compared"]
    assert isinstance(listed, list)
    [untold] = listed
    assert isinstance(untold, dict)
    return untold


async def the_untold_of(day: LivedDay, capsys: Capsys) -> dict[str, object]:
    told = await day.compared(capsys)
    assert told.get("same") is True, "a divergence that is none"
    return the_untold(told)


async def is_decided_as_it_was(day: LivedDay, capsys: Capsys) -> None:
    told = await day.compared(capsys)
    assert (told.get("same"), told.get("not_compared")) == (True, []), str(told)


def rules_of(day: LivedDay) -> list[str]:
    return [rule for rule in day.rules() if rule]


async def test_what_a_version_before_did_not_tell_of_an_entry_is_no_divergence(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    grounds = Deciding._grounds

    def fewer(self: Deciding, *about: Any) -> dict[str, JsonValue]:
        return {name: fact for name, fact in grounds(self, *about).items() if name != "entries_left"}

    with monkeypatch.context() as before:
        before.setattr(Deciding, "_grounds", fewer)
        async with a_lived_day(tmp_path) as day:
            await day.buy("AAPL")
            await day.end()
    await is_decided_as_it_was(day, capsys)


@pytest.mark.parametrize(
    ("breaker", "quiet", "trips"),
    [
        (Breaker.LOOP_LAG, 3.0, 12.0),
        (Breaker.CLOCK_JUMP, 0.004, 75.0),
        (Breaker.DISK_SPACE, 40_000.0, 12.0),
        (Breaker.AUDIT, 0.0, 1.0),
    ],
)
async def test_a_day_with_a_tripped_breaker_of_the_host_is_decided_as_it_was(
    tmp_path: Path, capsys: Capsys, breaker: Breaker, quiet: float, trips: float
) -> None:
    """Tripped among other things of one step, cleared by a person, and again; of quiet readings nothing is kept."""
    async with a_lived_day(tmp_path) as day:
        for number in range(20):
            await day.handle(BreakerMeasured(breaker, quiet, f"reading {number}", {}))
        await day.buy("AAPL")
        halt = Command(CommandName.HALT, "operator", "a test", "symbol", "JD")
        await day.handle(halt, BreakerMeasured(breaker, trips, "too much", {"last_s": 1.25}), Tick())
        await day.buy("MSFT")
        await day.command(CommandName.RESUME, breaker=breaker)
        await day.buy("QQQ")
        await day.handle(BreakerMeasured(breaker, trips + 0.5, "again", {}))
        await day.buy("MSFT")
        assert rules_of(day) == ["breaker", "breaker"]
        assert len(day.held()) == 2
        await day.recorder.flush()
        assert day.recorded("BreakerMeasured") == 2
        await day.end()
    await is_decided_as_it_was(day, capsys)


@pytest.mark.parametrize("limit", [2, 3.2])
async def test_a_day_on_which_the_clocks_differed_is_decided_as_it_was(
    tmp_path: Path, capsys: Capsys, limit: float
) -> None:
    """They differ by a little more or less with each tick: what is kept is where something follows from it."""
    phases = ((0.1, "AAPL"), (3.1, "MSFT"), (3.4, "MSFT"), (9.0, "MSFT"), (9.3, "MSFT"), (0.2, "JD"))
    async with a_lived_day(tmp_path, breakers={"clock_skew": {"limit": limit}}) as day:
        ticks = 0
        for skew_s, symbol in phases:
            for _ in range(220 if skew_s == 9.3 else 40):
                ticks += 1
                day.clock.set(day.now + timedelta(seconds=1.3))
                await day.handle(Tick(timedelta(seconds=skew_s + ticks % 7 / 1000)))
            await day.bar()
            await day.submit(symbol, 0.95)
        assert day.sql("SELECT breaker FROM book_latches") == [("clock_skew",)]
        assert {*rules_of(day)} == {"clock_differs", "breaker"}
        await day.recorder.flush()
        assert 4 <= day.recorded("Tick") < ticks / 20
        await day.end()
    await is_decided_as_it_was(day, capsys)


async def test_a_day_on_which_the_clock_was_set_back_is_decided_as_it_was(tmp_path: Path, capsys: Capsys) -> None:
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        await day.bars(3)
        day.clock.set(day.now - timedelta(seconds=95))
        await day.handle(BreakerMeasured(Breaker.CLOCK_JUMP, 95.0, "the host's clock has jumped by -95.0 s", {}))
        await day.submit("MSFT", 0.95)
        await day.command(CommandName.RESUME, breaker=Breaker.CLOCK_JUMP)
        await day.bars(5)
        await day.buy("MSFT")
        assert rules_of(day) == ["breaker"]
        await day.end()
    await is_decided_as_it_was(day, capsys)


async def test_an_answer_is_of_the_question_that_it_was_of_live(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was traded between question and answer was no drift live, and is none when it is played again."""
    async with a_lived_day(tmp_path) as day:
        evidence = day.broker.evidence

        async def traded(side: Side) -> None:
            day.broker._positions["JD"] = 10 if side is Side.BUY else 0
            number = day.one("SELECT count(*) FROM trades")
            fill = a_fill("JD", 10, 30.0, side=side, execution_id=f"X{number}", order_ref="hand", at=day.now)
            await day.report(fill)

        async def overtaken(refs: Collection[str]) -> Evidence:
            told = await evidence(refs)
            await traded(Side.BUY)
            return told

        monkeypatch.setattr(day.broker, "evidence", overtaken)
        for _ in range(2):
            await day.wait(61)
            await day.engine.ask_broker()
            await day.settle()
            await day.bar()
            await traded(Side.SELL)
        assert day.journaled(JournalType.DRIFT_FOUND) == 0
        assert len(day.trades()) == 4
        await day.end()
    await is_decided_as_it_was(day, capsys)


@pytest.mark.parametrize(
    ("symbol", "probability", "id_"),
    [
        ("Q\nQ", 0.95, ""),
        ("=1+1\x00\u202e\ud800", 0.95, ""),
        ("A" * 5000, 0.95, ""),
        ("JD", float("nan"), ""),
        ("JD", 10**400, ""),
        ("JD", True, ""),
        ("JD", 0.95, "a\nb\ud800"),
        ("JD", 0.95, "S-0001"),
    ],
)
async def test_a_day_with_a_hostile_signal_is_decided_as_it_was(
    tmp_path: Path, capsys: Capsys, symbol: str, probability: float, id_: str
) -> None:
    async with a_lived_day(tmp_path) as day:
        await day.submit(symbol, probability, id_)
        await day.handle(BadLine("\ud800" * 20_000, "no JSON\x00", InboxOffset("signals.jsonl", 10, 1)))
        await day.buy("MSFT")
        assert len(rules_of(day)) == 2
        await day.end()
    await is_decided_as_it_was(day, capsys)


async def test_of_a_killed_run_it_is_said_from_where_on_it_cannot_be_compared(tmp_path: Path, capsys: Capsys) -> None:
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        await day.recorder.flush()
        written_until = day.now
        await day.buy("MSFT")
        await day.stop()
        await day.begin()
        await day.buy("QQQ")
        await day.end()
    told = await day.compared(capsys)
    assert (told.get("same"), told.get("runs")) == (True, 2), told
    untold = the_untold(told)
    assert untold["since"] == written_until.isoformat()
    assert "has not ended in order" in str(untold["why"])
    assert int(str(untold["events"])) > 1


async def test_refusals_that_were_not_written_when_a_run_was_killed_are_no_divergence(
    tmp_path: Path, capsys: Capsys
) -> None:
    """What a strategy's answer comes to waits for the next commit where nothing follows from it."""
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        decided_at = day.now
        for number in range(3):
            day.clock.set(day.now + timedelta(seconds=1))
            await day.handle(BadLine("{", "no JSON", InboxOffset("signals.jsonl", number + 1, number + 1)))
        await day.recorder.flush()
        await day.stop()
        with closing(sqlite3.connect(day.path)) as book:
            book.execute("DELETE FROM book_signals WHERE received_us > ?", (to_us(decided_at),))
            book.commit()
    assert (await the_untold_of(day, capsys))["since"] == decided_at.isoformat()


@pytest.mark.parametrize("written", [True, False])
async def test_a_day_is_whole_where_its_run_has_written_an_input_of_a_later_one(
    tmp_path: Path, capsys: Capsys, written: bool
) -> None:
    """Killed a moment into the next day, it may not even have written the evening."""
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        await day.recorder.flush()
        written_until = day.now
        await day.submit("NOPE", 0.95)
        await day.jump(day.now + timedelta(days=1))
        await day.submit("NOPE", 0.95)
        if written:
            await day.recorder.flush()
        await day.stop()
    if written:
        await is_decided_as_it_was(day, capsys)
    else:
        assert (await the_untold_of(day, capsys))["since"] == written_until.isoformat()


async def test_a_signal_that_was_decided_again_after_what_is_compared_is_no_divergence(
    tmp_path: Path, capsys: Capsys
) -> None:
    """It turns its family: what holds the other side is closed first, and the process is killed after that."""
    async with a_lived_day(tmp_path) as day:
        await day.buy("QQQ")
        await day.submit("QQQ", 0.02)
        assert [rule for (rule,) in day.sql("SELECT rule FROM signals ORDER BY rowid")][-1:] == ["turning"]
        day.clock.set(day.now + timedelta(seconds=1))
        await day.submit("NOPE", 0.95)
        await day.recorder.flush()
        await day.bar()
        assert day.one("SELECT outcome FROM signals WHERE probability = 0.02") == "ordered"
        await day.stop()
    assert "has not ended in order" in str((await the_untold_of(day, capsys))["why"])


async def test_a_run_that_begins_before_the_end_of_the_one_before_has_its_own_signals(
    tmp_path: Path, capsys: Capsys
) -> None:
    """A market goes on from what the book knows of it, so that a killed run may have lived longer."""
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        await day.recorder.flush()
        for symbol in ("MSFT", "NOPE"):
            day.clock.set(day.now + timedelta(seconds=20))
            await day.submit(symbol, 0.95)
        await day.stop()
        day.clock.set(day.now - timedelta(seconds=30))
        await day.begin()
        await day.wait(10)
        await day.submit("JD", 0.95)
        await day.wait(20)
        await day.submit("NOWHERE", 0.95)
        await day.end()
    told = await day.compared(capsys)
    assert (told.get("same"), told.get("runs")) == (True, 2), told
    assert "has not ended in order" in str(the_untold(told)["why"])


async def test_a_day_on_which_a_backup_was_put_back_is_decided_as_it_was(tmp_path: Path, capsys: Capsys) -> None:
    """References of orders name the epoch of their run, not that of the book of now."""
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        await day.end()
        with closing(sqlite3.connect(day.path)) as book:
            book.execute("UPDATE book_stamp SET epoch = 2")
            book.commit()
        await day.begin()
        await day.bar()
        await day.buy("MSFT")
        await day.end()
        assert [ref for (ref,) in day.sql("SELECT order_ref FROM orders")] == ["paper-1-0001", "paper-2-0002"]
    await is_decided_as_it_was(day, capsys)


async def test_a_conflict_that_a_start_has_repaired_is_decided_as_it_was(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A book that was left with both sides of a family; that is journaled by no step, and later than the answer."""
    repair = Engine.repair
    async with a_lived_day(tmp_path) as day:
        await day.buy("QQQ")
        await day.recorder.flush()
        with monkeypatch.context() as as_before:
            as_before.setattr("trader.services.deciding.Deciding.repair_conflicts", lambda *_: None)
            day.broker._positions["SQQQ"] = 10
            await day.report(a_fill("SQQQ", 10, 30.0, execution_id="X1", order_ref="hand", at=day.now))
        assert len(day.held()) == 2
        assert day.journaled(JournalType.CONFLICT_FOUND) == 0
        await day.stop()
        day.clock.set(day.now + MINUTE)

        async def later(engine: Engine) -> None:
            day.clock.set(day.now + timedelta(seconds=3))
            await repair(engine)

        with monkeypatch.context() as slow:
            slow.setattr(Engine, "repair", later)
            await day.begin()
        assert day.journaled(JournalType.CONFLICT_FOUND) == 1
        await day.bars(2)
        assert len(day.held()) == 1
        await day.end()
    told = await day.compared(capsys)
    assert (told.get("same"), told.get("runs")) == (True, 2), told
    assert "has not ended in order" in str(the_untold(told)["why"]), "of the first run; the second is compared whole"


async def test_a_run_of_which_nothing_was_recorded_is_left_out_and_named(tmp_path: Path, capsys: Capsys) -> None:
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        await day.end()
        day.clock.set(day.now + MINUTE)
        await day.begin()
        await day.stop()
        killed_at = day.now
        day.clock.set(day.now + MINUTE)
        await day.begin()
        await day.bar()
        await day.buy("QQQ")
        await day.end()
    told = await day.compared(capsys)
    assert (told.get("same"), told.get("runs")) == (True, 3), told
    untold = the_untold(told)
    assert untold["since"] == killed_at.isoformat()
    assert "its start was not recorded" in str(untold["why"])


async def test_a_step_that_was_not_recorded_is_named_and_no_divergence(tmp_path: Path, capsys: Capsys) -> None:
    """As one of an older version, which kept no readings."""
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        day.clock.set(day.now + timedelta(seconds=7))
        await day.handle(BreakerMeasured(Breaker.LOOP_LAG, 12, "late", {}))
        day.recorder._waiting.pop()
        day.recorder.taken -= 1
        tripped_at = day.now
        await day.wait(1)
        await day.buy("MSFT")
        await day.end()
    untold = await the_untold_of(day, capsys)
    assert untold["since"] == tripped_at.isoformat()
    assert str(untold["why"]) == "what had led to breaker_tripped was not recorded"


async def test_from_a_book_that_could_not_be_written_on_nothing_is_compared(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        day.clock.set(day.now + timedelta(seconds=1))
        with an_unwritable_book(monkeypatch):
            await day.command(CommandName.HALT, "symbol", "JD")
        await day.bar()
        await day.buy("MSFT")
        await day.end()
    untold = await the_untold_of(day, capsys)
    assert "could not be written" in str(untold["why"])


async def test_a_run_that_has_taken_up_exits_sent_without_the_book_is_not_compared(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        await day.recorder.flush()
        with an_unwritable_book(monkeypatch):
            await day.bar(closes={"AAPL": day.prices["AAPL"] * 0.97})
        await day.stop()
        day.clock.set(day.now + MINUTE)
        await day.begin()
        await day.bars(2)
        assert day.held() == {}
        await day.end()
    told = await day.compared(capsys)
    assert told.get("same") is True, told
    listed = told["not_compared"]
    assert isinstance(listed, list)
    assert "what had led to position_closing was not recorded" in listed[1]["why"]


async def test_a_silence_that_has_tripped_is_where_the_comparison_ends(tmp_path: Path, capsys: Capsys) -> None:
    """It is counted tick by tick, and ticks of which nothing comes are not recorded."""
    async with a_lived_day(tmp_path) as day:
        await day.buy("AAPL")
        for _ in range(150):
            await day.wait(5)
        assert day.sql("SELECT breaker FROM book_latches") == [("stale_data",)]
        await day.end()
    untold = await the_untold_of(day, capsys)
    assert "stale_data had tripped" in str(untold["why"])


async def test_a_day_is_compared_also_where_an_older_version_has_recorded_those_before_it(
    tmp_path: Path, capsys: Capsys
) -> None:
    async with a_lived_day(tmp_path, older=True) as day:
        await day.buy("AAPL")
        await day.end()
        day.clock.set(session_of(MONDAY + timedelta(days=1)).opens_at)
        await day.begin()
        await day.bar()
        await day.buy("QQQ")
        await day.end()
    assert "was recorded by an older version" in str((await day.compared(capsys)).get("said"))
    told = await day.compared(capsys, MONDAY + timedelta(days=1))
    assert (told.get("same"), told.get("runs")) == (True, 1), told
