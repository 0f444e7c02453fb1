"""Every input, in order, off the order's path: kept in memory and written by a chore."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from trader.adapters.sqlite.inputs import Asked, Begun, BegunAnew, written
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import Row, to_us
from trader.domain.errors import BookError
from trader.domain.events import BreakerMeasured, Event, Tick

_MOST_WAITING = 10_000
"""Inputs that are kept while the book cannot be written."""

_WRITTEN_TOGETHER = 500
"""So many at a time: after a burst neither the loop nor the writer is kept for long."""

_JSON = json.JSONEncoder(sort_keys=True)


class _Input(NamedTuple):
    """One of a step's."""

    what: Event | Begun | BegunAnew | Asked
    at: datetime
    step: int


class SqliteRecorder:
    """The Recorder port. What was recorded since the last flush is lost in a crash; the journal is not."""

    def __init__(self, writer: AccountWriter) -> None:
        self._writer = writer
        self._waiting: list[_Input] = []
        self._steps = 0
        self.taken = 0
        """Inputs of this run that are written, or wait to be, or were given up: what the end of the run says."""

    def record(self, events: Sequence[Event], at: datetime, *, mattered: bool) -> None:
        """Take note of the inputs of one step. Time and readings of the host come by the second, and are left out where
        nothing has followed in it.
        """
        self._steps += 1
        left_out = () if mattered else (Tick, BreakerMeasured)
        self._take(*(event for event in events if not isinstance(event, left_out)), at=at)

    def asked(self, question: int, at: datetime) -> None:
        """Take note of when the broker was asked: what is booked until its answer is of doubt in that."""
        self._take(Asked(question), at=at)

    def begun(self, begun: Begun, at: datetime) -> None:
        """Take note of what a run has been shown before its first bar."""
        self._take(begun, at=at)

    def begun_anew(self, shown_until: datetime | None, at: datetime) -> None:
        """Take note that the strategy was begun anew, and of the newest bars that it was shown."""
        self._take(BegunAnew(shown_until), at=at)

    def _take(self, *inputs: Event | Begun | BegunAnew | Asked, at: datetime) -> None:
        self._waiting += [_Input(what, at, self._steps) for what in inputs]
        self.taken += len(inputs)

    async def flush(self) -> None:
        """Write what waits."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_WRITTEN_TOGETHER], self._waiting[_WRITTEN_TOGETHER:]
            try:
                await self._write(batch)
            except BookError:
                self._waiting = [*batch, *self._waiting][-_MOST_WAITING:]
                raise

    async def _write(self, batch: list[_Input]) -> None:
        rows: list[Row] = [
            (self._writer.account, to_us(at), type(what).__name__, _JSON.encode(written(what, step)))
            for what, at, step in batch
        ]

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(QUERIES["insert_input"], rows)

        await self._writer.transact(job)
