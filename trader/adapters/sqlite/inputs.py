"""Inputs as the book keeps them, and read back.

Rule 1: what is read back is what came in, or nothing: an input that cannot be written so that it can be read back is
written as text for a person, and says so when it is read.
Rule 2: a bar time keeps the layout that the pages and the report read.
Rule 3: what a strategy has said is kept for a person alone: who plays the day again asks the strategy again.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import from_us
from trader.domain.decision import UNSTAMPED, Signal
from trader.domain.events import (
    AlarmRaised,
    BadLine,
    BreakerMeasured,
    Command,
    EpochEnded,
    Event,
    EvidenceGiven,
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
from trader.domain.market import Bar, BarTime

_PLAIN = (
    AlarmRaised,
    BadLine,
    BreakerMeasured,
    Command,
    EpochEnded,
    EvidenceGiven,
    FillReported,
    OrderAccepted,
    OrderCancelled,
    OrderIdentified,
    OrderLost,
    OrderRejected,
    OrderShown,
    StrategySilent,
    Tick,
    VersionCompared,
)
_ADAPTERS: Mapping[str, TypeAdapter[Event]] = {kind.__name__: TypeAdapter(kind) for kind in _PLAIN}
_INBOX: TypeAdapter[InboxOffset | None] = TypeAdapter(InboxOffset | None)
_LONGEST_SAID = 10_000
_LONGEST_TEXT = 1_000


class Begun(NamedTuple):
    """What a run has been shown before its first bar."""

    symbols: tuple[str, ...]
    """Of which there are bars."""
    past: tuple[BarTime, ...]


class Asked(NamedTuple):
    """The broker was asked, between two steps; its answer is an event."""

    question: int
    """Its number in the run."""


class Input(NamedTuple):
    """One recorded input. Those of one step were decided together; what lies between two steps has the number of the
    one before it."""

    at: datetime
    step: int
    what: Event | Begun | Asked

    @property
    def lies_between_steps(self) -> bool:
        """Whether nothing was decided on it."""
        return isinstance(self.what, Begun | Asked)


class Unreadable(ValueError):
    """An input was not recorded so that it can be read back."""


def written(what: Event | Begun | Asked, step: int) -> Mapping[str, object]:
    """An input as JSON, with the number of its step in the run."""
    return {**_written(what), "step": step}


def _written(what: Event | Begun | Asked) -> Mapping[str, object]:
    if isinstance(what, BarTime):
        return _bars(what)
    if isinstance(what, Begun):
        return {"symbols": list(what.symbols), "past": [_bars(bar_time) for bar_time in what.past]}
    if isinstance(what, Asked):
        return what._asdict()
    if isinstance(what, SignalReceived):
        return _signal(what)
    if isinstance(what, StrategyAnswered):
        return {"ends_at": what.ends_at.isoformat(), "said": ascii(what.said)[:_LONGEST_SAID]}
    if isinstance(what, BadLine):
        what = BadLine(what.text[:_LONGEST_TEXT], what.fault, what.inbox)
    plain: dict[str, object] = _ADAPTERS[type(what).__name__].dump_python(what, mode="json")
    return plain


def _bars(bar_time: BarTime) -> dict[str, object]:
    """Bars as arrays."""
    bars = [[bar.symbol, *bar[2:]] for bar in bar_time.bars]
    return {"ends_at": bar_time.ends_at.isoformat(), "interval_s": bar_time.interval.total_seconds(), "bars": bars}


def _signal(received: SignalReceived) -> dict[str, object]:
    """Anything may come in as a signal: what is no text and no number is kept for a person alone."""
    signal = received.signal
    said: dict[str, object] = {
        "symbol": ascii(signal.symbol),
        "probability": repr(signal.probability),
        "id": ascii(signal.id),
    }
    texts = (signal.symbol, signal.id, signal.source)
    is_number = type(signal.probability) in (int, float) and isfinite(signal.probability)
    if is_number and all(type(text) is str and text.isprintable() for text in texts):
        said["signal"] = {
            "symbol": signal.symbol,
            "probability": signal.probability,
            "timestamp": signal.timestamp.isoformat(),
            "id": signal.id,
            "source": signal.source,
        }
        said["source"] = received.source
        said["inbox"] = _INBOX.dump_python(received.inbox, mode="json")
    return said


def read_inputs(book: sqlite3.Connection, account: str, since: datetime, until_us: int) -> Iterator[Input]:
    """The inputs of a time, oldest first. Raises Unreadable, which names the row."""
    since_us = round(since.timestamp() * 1_000_000)
    for seq, at_us, kind, text in book.execute(QUERIES["inputs"], (account, since_us, until_us)):
        try:
            data = json.loads(text)
            yield Input(from_us(at_us), data["step"], _read(kind, data))
        except (KeyError, TypeError, ValidationError, ValueError) as error:
            why = "by an older version" if isinstance(error, KeyError) else f"({type(error).__name__}: {error})"
            raise Unreadable(f"input {seq}, a {kind}, was not recorded so that it can be played again {why}") from error


def _read(kind: str, data: Mapping[str, object]) -> Event | Begun | Asked:
    fields = {name: value for name, value in data.items() if name != "step"}
    if kind == BarTime.__name__:
        return _read_bars(fields)
    if kind == Begun.__name__:
        read: dict[str, list[object]] = {name: list(fields[name]) for name in ("symbols", "past")}  # type: ignore[call-overload]
        past = tuple(_read_bars(one) for one in read["past"] if isinstance(one, dict))
        return Begun(tuple(str(symbol) for symbol in read["symbols"]), past)
    if kind == Asked.__name__:
        return Asked(int(str(fields["question"])))
    if kind == SignalReceived.__name__:
        return _read_signal(fields)
    if kind == StrategyAnswered.__name__:
        return StrategyAnswered(datetime.fromisoformat(str(fields["ends_at"])), ())
    return _ADAPTERS[kind].validate_python(fields)


def _read_bars(fields: Mapping[str, object]) -> BarTime:
    interval_s, bars = fields["interval_s"], fields["bars"]
    if not isinstance(interval_s, int | float) or not isinstance(bars, list):
        raise TypeError("bars are an array, their interval a number of seconds")
    ends_at, interval = datetime.fromisoformat(str(fields["ends_at"])), timedelta(seconds=interval_s)
    starts_at = ends_at - interval
    return BarTime(ends_at, interval, tuple(Bar(symbol, starts_at, *numbers) for symbol, *numbers in bars))


def _read_signal(fields: Mapping[str, object]) -> SignalReceived:
    said = fields["signal"]
    if not isinstance(said, dict):
        raise TypeError("a signal has fields")
    at = datetime.fromisoformat(said["timestamp"])
    signal = Signal(**{**said, "timestamp": UNSTAMPED if at == UNSTAMPED else at})
    return SignalReceived(signal, str(fields["source"]), _INBOX.validate_python(fields["inbox"]))
