"""Every input, in order, off the order's path: kept in memory and written by a chore."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime

from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import Row, to_us
from trader.domain.errors import BookError
from trader.domain.events import (
    BadLine,
    BreakerMeasured,
    BrokerEvent,
    Event,
    OwnEvent,
    SignalReceived,
    StrategyAnswered,
    StrategySilent,
    Tick,
)
from trader.domain.market import BarTime

_MOST_WAITING = 10_000
"""Inputs that are kept while the book cannot be written."""

_LONGEST_SAID = 10_000


class SqliteRecorder:
    """The Recorder port. What was recorded since the last flush is lost in a crash; the journal is not."""

    def __init__(self, writer: AccountWriter) -> None:
        self._writer = writer
        self._waiting: list[tuple[Event, datetime]] = []

    def record(self, event: Event, at: datetime) -> None:
        """Take note of an input. Time and readings of the host come by the second: what trips is in the journal."""
        if not isinstance(event, Tick | BreakerMeasured):
            self._waiting.append((event, at))

    async def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        rows: list[Row] = [
            (self._writer.account, to_us(at), type(event).__name__, json.dumps(_plain(event), sort_keys=True))
            for event, at in waiting
        ]

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(QUERIES["insert_input"], rows)

        try:
            await self._writer.transact(job)
        except BookError:
            self._waiting = [*waiting, *self._waiting][-_MOST_WAITING:]
            raise


def _plain(event: Event) -> Mapping[str, object]:
    """An event as JSON: bars as arrays, everything else by field name."""
    if isinstance(event, BarTime):
        bars = [[bar.symbol, *bar[2:]] for bar in event.bars]
        return {"ends_at": event.ends_at.isoformat(), "interval_s": event.interval.total_seconds(), "bars": bars}
    if isinstance(event, SignalReceived):
        signal = event.signal
        return {"symbol": ascii(signal.symbol), "probability": repr(signal.probability), "id": ascii(signal.id)}
    if isinstance(event, BadLine):
        return {"line": event.inbox.line, "text": event.text[:1000], "fault": event.fault}
    if isinstance(event, StrategyAnswered):
        return {"ends_at": event.ends_at.isoformat(), "said": ascii(event.said)[:_LONGEST_SAID]}
    if isinstance(event, StrategySilent):
        return {"ends_at": event.ends_at.isoformat(), "why": event.why, "waited_s": event.waited_s}
    return _fields(event)


def _fields(event: BrokerEvent | OwnEvent) -> Mapping[str, object]:
    fields: dict[str, object] = {}
    for name in event.__dataclass_fields__:
        value: object = getattr(event, name)
        fields[name] = str(value) if isinstance(value, tuple) else value
    return fields
