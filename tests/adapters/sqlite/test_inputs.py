"""Recorded inputs: what is read back is what came in."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from builders import MINUTE, NOON, a_bar, a_fill, a_machine, bar_time

from trader.adapters.sqlite.database import read_only
from trader.adapters.sqlite.inputs import Asked, Begun, Input, Unreadable, read_inputs
from trader.adapters.sqlite.recorder import SqliteRecorder
from trader.domain.alarm import AlarmType
from trader.domain.breaker import Breaker
from trader.domain.cash import CashKind
from trader.domain.decision import UNSTAMPED, Signal
from trader.domain.events import (
    AlarmRaised,
    BadLine,
    BreakerMeasured,
    Command,
    CommandName,
    Ended,
    EpochEnded,
    Event,
    Evidence,
    EvidenceGiven,
    Fate,
    FillReported,
    InboxOffset,
    OrderAccepted,
    OrderCancelled,
    OrderIdentified,
    OrderLost,
    OrderRejected,
    OrderShown,
    SignalReceived,
    StrategyAnswered,
    StrategySilent,
    Tick,
    VersionCompared,
)
from trader.domain.terms import Terms

LINE = InboxOffset("/signals.jsonl", 120, 3)
FILL = a_fill("AAPL", 10, 100.5)._replace(corrects=("e1", "e2"))
EVIDENCE = Evidence(
    (FILL,), frozenset({"paper-1-0002", "paper-1-0001"}), {"r": Ended(3, "asked", rejected=True)}, {"AAPL": -4}, 5, NOON
)
EVENTS: list[Event] = [
    bar_time(a_bar("AAPL", 101.25, high=102.5), a_bar("MSFT")),
    SignalReceived(Signal("QQQ", 0.9, NOON, "mine", "desk"), "inbox", LINE),
    SignalReceived(Signal("QQQ", 1)),
    BadLine("nonsense", "no JSON", LINE),
    OrderAccepted("r"),
    OrderIdentified("r", 7),
    OrderShown("r", Terms(10, None, 99_000_000, "TRAIL")),
    OrderCancelled("r", "asked"),
    OrderRejected("r", "not today"),
    OrderLost("r", "nothing heard"),
    FillReported(FILL),
    EpochEnded("1100"),
    EvidenceGiven(("r",), EVIDENCE),
    EvidenceGiven((), Evidence(None, None, None, None), 7),
    Tick(),
    Tick(timedelta(seconds=-3.123457)),
    BreakerMeasured(Breaker.LOOP_LAG, 12, "late", {"last_s": 1.5, "ticks": 3, "what": "a loop"}),
    StrategyAnswered(NOON, ()),
    StrategySilent(NOON, "late", 1.5, 1.0),
    VersionCompared("code"),
    AlarmRaised(AlarmType.AUDIT, "rule", "violated"),
    Command(CommandName.RESOLVE, "me", "why", order_ref="r", fate=Fate.FILLED, price_micros=5, alarms=(1, 2)),
    Command(CommandName.ADJUST, "me", "why", fill=FILL, kind=CashKind.FEE, amount_micros=-1, movement="m"),
]


@pytest.fixture
async def recorded(tmp_path: Path) -> Path:
    """A book with two steps of inputs, and what a run was shown before."""
    async with a_machine(tmp_path) as market:
        recorder = SqliteRecorder(market.book.writer)
        past = tuple(bar_time(a_bar("AAPL", start=NOON - n * MINUTE)) for n in (3, 2))
        recorder.begun(Begun(("AAPL", "QQQ"), past), NOON)
        recorder.asked(7, NOON)
        recorder.record(EVENTS, NOON, mattered=True)
        recorder.record([Tick(), BreakerMeasured(Breaker.CLOCK_JUMP, 0.001, "nothing", {})], NOON, mattered=False)
        recorder.record([OrderAccepted("later")], NOON, mattered=True)
        await recorder.flush()
    return tmp_path / "trading_data.db"


def read(db: Path) -> Iterator[Input]:
    with closing(read_only(db)) as book:
        yield from read_inputs(book, "paper", 0, 2**62)


def test_everything_that_comes_in_is_read_back_as_it_was_and_by_steps(recorded: Path) -> None:
    begun, asked, *inputs, last = read(recorded)
    assert asked.what == Asked(7)
    assert isinstance(begun.what, Begun)
    assert begun.what.symbols == ("AAPL", "QQQ")
    assert [one.ends_at for one in begun.what.past] == [NOON - 2 * MINUTE, NOON - MINUTE]
    assert [one.what for one in inputs] == EVENTS
    assert {one.step for one in inputs} == {1}
    [unstamped] = [one.what.signal.timestamp for one in inputs[2:3] if isinstance(one.what, SignalReceived)]
    assert unstamped is UNSTAMPED, "or it is as old as can be"
    assert (last.what, last.step, last.at) == (OrderAccepted("later"), 3, NOON), "of the second step nothing came"


def test_every_kind_of_input_is_among_them() -> None:
    kinds = {type(event) for event in EVENTS}
    assert {*Event.__args__} == kinds


@pytest.mark.parametrize("probability", [float("nan"), float("-inf"), True, 10**400, -1])
@pytest.mark.parametrize(("symbol", "id_"), [("QQQ", "a\nb"), ("Q\x00\u202e\ud800", "")])
async def test_a_signal_that_will_be_refused_is_read_back_as_it_was(
    tmp_path: Path, symbol: str, probability: float, id_: str
) -> None:
    async with a_machine(tmp_path) as market:
        recorder = SqliteRecorder(market.book.writer)
        signal = Signal(symbol, probability, NOON.replace(tzinfo=None), id_)
        recorder.record([SignalReceived(signal)], NOON, mattered=True)
        await recorder.flush()
    [one] = read(tmp_path / "trading_data.db")
    assert isinstance(one.what, SignalReceived)
    assert repr(one.what.signal) == repr(signal)


@pytest.mark.parametrize("probability", ["0.9", None, 10**5000, object()], ids=type)
async def test_a_signal_that_is_none_is_kept_for_a_person_and_says_that_it_cannot_be_played(
    tmp_path: Path, probability: object
) -> None:
    async with a_machine(tmp_path) as market:
        recorder = SqliteRecorder(market.book.writer)
        recorder.record([SignalReceived(Signal("QQQ", probability))], NOON, mattered=True)  # type: ignore[arg-type]
        recorder.record([OrderAccepted("later")], NOON, mattered=True)
        await recorder.flush()
        assert "'QQQ'" in market.one("SELECT data FROM book_inputs WHERE seq = 1")
    one, other = read(tmp_path / "trading_data.db")
    assert isinstance(one.what, Unreadable)
    assert one.what.why.startswith("input 1, a SignalReceived, was not recorded so that it can be played again (")
    assert other.what == OrderAccepted("later")


NO_INPUTS = [
    ("data = ''", "JSONDecodeError"),
    ("data = '[]'", "TypeError"),
    ("data = 'null'", "TypeError"),
    ("data = '{}'", "by an older version"),
    ("data = json_set(data, '$.step', 'x')", "its step is no number"),
    ("data = json_set(data, '$.step', -5)", "its step is no number"),
    ("data = json_set(data, '$.bars', 5)", "bars are an array"),
    ("data = json_set(data, '$.bars', json('[[1]]'))", "a bar is a symbol and numbers"),
    ("data = json_set(data, '$.bars', json('[[\"AAPL\", \"x\", 1, 1, 1, 1]]'))", "a bar is a symbol and numbers"),
    ("data = json_set(data, '$.interval_s', 1e300)", "OverflowError"),
    ("data = json_set(data, '$.ends_at', '2025-06-23T10:00:00')", "a time without its zone"),
    ("kind = 'Nothing'", "KeyError"),
    ("at_us = 4611686018427387904", "OverflowError"),
]


@pytest.mark.parametrize(("change", "why"), NO_INPUTS)
def test_what_is_no_input_says_which_row_it_is(recorded: Path, change: str, why: str) -> None:
    with closing(sqlite3.connect(recorded)) as book:
        book.execute(f"UPDATE book_inputs SET {change} WHERE seq = 3")  # noqa: S608
        book.commit()
    unread = [one.what.why for one in read(recorded) if isinstance(one.what, Unreadable)]
    assert len(unread) == 1
    assert "input 3, a " in unread[0]
    assert why in unread[0]


def test_inputs_that_are_missing_are_told_in_their_place_and_never_another_accounts(recorded: Path) -> None:
    with closing(sqlite3.connect(recorded)) as book:
        book.execute("INSERT INTO book_accounts SELECT 'other', 0, 0, 0, 0, 0, 0, 0, 0, 0")
        book.execute("UPDATE book_inputs SET account = 'other' WHERE seq = 7")
        book.execute("DELETE FROM book_inputs WHERE seq IN (4, 5)")
        book.commit()
    unread = [(place, one.what.why) for place, one in enumerate(read(recorded)) if isinstance(one.what, Unreadable)]
    assert unread == [(3, "inputs 4 to 5 of the book are missing")]
