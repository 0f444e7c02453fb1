"""Inputs as the book keeps them, and read back.

Rule 1: what is read back is what came in, or says that it cannot be: an input that has no place in JSON is written as
text for a person, a row that was changed or taken away is named.
Rule 2: a bar time keeps the layout that the pages and the report read.
Rule 3: what a strategy has said is kept for a person alone: who plays the day again asks the strategy again.
"""

import json
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import NamedTuple

from pydantic import TypeAdapter

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
from trader.domain.strategy import kind_of

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
_LONGEST_NUMBER = 10**4000
_FAULTS = (KeyError, TypeError, ValueError, OverflowError, AttributeError)
"""Of a row whose text is not what was written: pydantic's are ValueErrors."""


class Begun(NamedTuple):
    """What a run has been shown before its first bar."""

    symbols: tuple[str, ...]
    """Of which there are bars."""
    past: tuple[BarTime, ...]


class Asked(NamedTuple):
    """The broker was asked, between two steps; its answer is an event."""

    question: int
    """Its number in the run."""


class BegunAnew(NamedTuple):
    """The strategy was begun anew, between two steps, and shown its last bars."""

    ends_at: datetime | None
    """Of the newest of them; None where it was shown none."""


class Unreadable(NamedTuple):
    """Here is an input, or more than one, that cannot be read back."""

    why: str


class Input(NamedTuple):
    """One recorded input. Those of one step were decided together; what lies between two steps has the number of the
    one before it."""

    seq: int
    """Its number in the book; of what is missing, that of the one before it."""
    at: datetime
    step: int
    what: Event | Begun | BegunAnew | Asked | Unreadable

    @property
    def lies_between_steps(self) -> bool:
        """Whether nothing was decided on it."""
        return isinstance(self.what, Begun | BegunAnew | Asked)


def written(what: Event | Begun | BegunAnew | Asked, step: int) -> Mapping[str, object]:
    """An input as JSON, with the number of its step in the run."""
    return {**_written(what), "step": step}


def _written(what: Event | Begun | BegunAnew | Asked) -> Mapping[str, object]:
    if isinstance(what, BarTime):
        return _bars(what)
    if isinstance(what, Begun):
        return {"symbols": list(what.symbols), "past": [_bars(bar_time) for bar_time in what.past]}
    if isinstance(what, BegunAnew):
        return {"ends_at": what.ends_at.isoformat() if what.ends_at is not None else None}
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
    told: dict[str, object] = {
        "symbol": _for_a_person(signal.symbol),
        "probability": _for_a_person(signal.probability),
        "id": _for_a_person(signal.id),
    }
    probability, timestamp = _number(signal.probability), signal.timestamp
    texts = (signal.symbol, signal.id, signal.source)
    are_texts = all(type(text) is str and len(text) <= _LONGEST_SAID for text in texts)
    if are_texts and probability is not None and isinstance(timestamp, datetime):
        told["signal"] = {
            "symbol": signal.symbol,
            "probability": probability,
            "timestamp": timestamp.isoformat(),
            "id": signal.id,
            "source": signal.source,
        }
        told["source"] = received.source
        told["inbox"] = _INBOX.dump_python(received.inbox, mode="json")
    return told


def _for_a_person(value: object) -> str:
    """The words of anything else cannot be relied upon."""
    if type(value) is str:
        return ascii(value[:_LONGEST_TEXT])
    return repr(value) if value is None or _number(value) is not None else kind_of(value)


def _number(value: object) -> bool | int | float | str | None:
    """A number as JSON has it, what is not finite as text; None of what is no number."""
    if isinstance(value, float) and type(value) is float:
        return value if isfinite(value) else repr(value)
    if type(value) is int:
        return value if abs(value) <= _LONGEST_NUMBER else None
    return value if isinstance(value, bool) else None


def read_inputs(book: sqlite3.Connection, account: str, after: int, last: int) -> Iterator[Input]:
    """The inputs of an account beyond one number, up to another, as they came in. What cannot be read back, or is
    missing, is told in its place."""
    asked = {"account": account, "after": after, "last": last}
    # numbers are of the whole book: one that no account has was taken away
    missing = deque(book.execute(QUERIES["missing_inputs"], asked))
    at, step = from_us(0), 0
    for seq, at_us, kind, text in book.execute(QUERIES["inputs"], asked):
        while missing and missing[0][0] < seq:
            lost, until = missing.popleft()
            yield Input(lost - 1, at, step, Unreadable(f"inputs {lost} to {until} of the book are missing"))
        try:
            at = from_us(at_us)
            data = json.loads(text)
            step = _step(data)
            yield Input(seq, at, step, _read(kind, data))
        except _FAULTS as error:
            how = f"({type(error).__name__}: {error})"[:_LONGEST_TEXT]
            is_old = isinstance(error, KeyError) and error.args == ("step",)
            how = "by an older version" if is_old else how
            why = f"input {seq}, a {kind}, was not recorded so that it can be played again {how}"
            yield Input(seq, at, step, Unreadable(why))


def _step(data: Mapping[str, object]) -> int:
    step = data["step"]
    if type(step) is not int or step < 0:
        raise TypeError("its step is no number")
    return step


def _read(kind: str, data: Mapping[str, object]) -> Event | Begun | BegunAnew | Asked:
    fields = {name: value for name, value in data.items() if name != "step"}
    if kind == BarTime.__name__:
        return _read_bars(fields)
    if kind == Begun.__name__:
        read: dict[str, list[object]] = {name: list(fields[name]) for name in ("symbols", "past")}  # type: ignore[call-overload]
        past = tuple(_read_bars(one) for one in read["past"] if isinstance(one, dict))
        return Begun(tuple(str(symbol) for symbol in read["symbols"]), past)
    if kind == BegunAnew.__name__:
        return BegunAnew(_instant(fields["ends_at"]) if fields["ends_at"] is not None else None)
    if kind == Asked.__name__:
        return Asked(int(str(fields["question"])))
    if kind == SignalReceived.__name__:
        return _read_signal(fields)
    if kind == StrategyAnswered.__name__:
        return StrategyAnswered(_instant(fields["ends_at"]), ())
    return _ADAPTERS[kind].validate_python(fields)


def _read_bars(fields: Mapping[str, object]) -> BarTime:
    interval_s, bars = fields["interval_s"], fields["bars"]
    if not isinstance(interval_s, int | float) or not isinstance(bars, list):
        raise TypeError("bars are an array, their interval a number of seconds")
    ends_at, interval = _instant(fields["ends_at"]), timedelta(seconds=interval_s)
    starts_at = ends_at - interval
    return BarTime(ends_at, interval, tuple(_read_bar(bar, starts_at) for bar in bars))


def _read_bar(fields: list[object], starts_at: datetime) -> Bar:
    symbol, *numbers = fields
    if type(symbol) is not str or any(type(number) not in (int, float) for number in numbers):
        raise TypeError("a bar is a symbol and numbers")
    return Bar(symbol, starts_at, *numbers)  # type: ignore[arg-type]


def _instant(value: object) -> datetime:
    at = datetime.fromisoformat(str(value))
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return at


def _read_signal(fields: Mapping[str, object]) -> SignalReceived:
    told = fields["signal"]
    if not isinstance(told, dict):
        raise TypeError("a signal has fields")
    if any(type(told[name]) is not str for name in ("symbol", "id", "source")):
        raise TypeError("a signal's symbol, id and source are texts")
    at, probability = datetime.fromisoformat(told["timestamp"]), told["probability"]
    number = float(probability) if isinstance(probability, str) else probability
    if _number(number) is None:
        raise TypeError("a signal's probability is a number")
    timestamp = UNSTAMPED if at == UNSTAMPED else at
    signal = Signal(told["symbol"], number, timestamp, told["id"], told["source"])
    return SignalReceived(signal, str(fields["source"]), _INBOX.validate_python(fields["inbox"]))
