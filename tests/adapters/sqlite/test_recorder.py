"""Recorded inputs: all of them, in their order, and never so many at a time that others have to wait."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from trader.adapters.sqlite.database import InlineWriter, connect
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.recorder import SqliteRecorder
from trader.domain.decision import Signal
from trader.domain.errors import BookUnwritable
from trader.domain.events import SignalReceived

Result = TypeVar("Result")

NOON = datetime(2025, 2, 10, 17, 0, tzinfo=UTC)
BURST = 1_700
MOST_AT_A_TIME = 500


class FullDisk(InlineWriter):
    """A writer whose transactions fail from one of them on, and which counts the rows of each."""

    fails_from = 1_000
    rows: list[int]

    async def transact(self, job: Callable[[sqlite3.Connection], Result]) -> Result:
        if len(self.rows) >= self.fails_from:
            raise BookUnwritable("the disk is full")
        before = self._recorded
        result = await super().transact(job)
        self.rows.append(self._recorded - before)
        return result

    @property
    def _recorded(self) -> int:
        [count] = self._connection.execute("SELECT count(*) FROM book_inputs").fetchone()
        return int(count)


async def a_recorder(path: Path) -> tuple[SqliteRecorder, FullDisk]:
    writer = FullDisk(connect(path))
    writer.rows = []
    await writer.transact(lambda book: book.execute(QUERIES["insert_account"], ("paper", 0, 0, 0, 0)))
    recorder = SqliteRecorder(await AccountWriter.bind(writer, "paper"))
    for number in range(BURST):
        recorder.record([SignalReceived(Signal("QQQ", 0.9, id=str(number)))], NOON, mattered=True)
    writer.rows = []
    return recorder, writer


def recorded(path: Path) -> list[str]:
    """Ids of the signals, in the order of their rows."""
    with closing(sqlite3.connect(path)) as book:
        rows = book.execute("SELECT data FROM book_inputs ORDER BY seq").fetchall()
    return [json.loads(data)["id"].strip("'") for (data,) in rows]


async def test_a_burst_is_recorded_whole_and_some_at_a_time(tmp_path: Path) -> None:
    recorder, writer = await a_recorder(tmp_path / "book.db")
    await recorder.flush()
    await writer.close()
    assert recorded(tmp_path / "book.db") == [str(number) for number in range(BURST)]
    assert max(writer.rows) <= MOST_AT_A_TIME


async def test_what_a_full_disk_did_not_take_is_recorded_later_in_its_place(tmp_path: Path) -> None:
    recorder, writer = await a_recorder(tmp_path / "book.db")
    writer.fails_from = 1
    with pytest.raises(BookUnwritable):
        await recorder.flush()
    recorder.record([SignalReceived(Signal("QQQ", 0.9, id="later"))], NOON, mattered=True)
    writer.fails_from = 1_000
    await recorder.flush()
    await writer.close()
    assert recorded(tmp_path / "book.db") == [*(str(number) for number in range(BURST)), "later"]
