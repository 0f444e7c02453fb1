"""What a book has of a live day."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from trader.adapters.sqlite.inputs import Begun, Input, Unreadable, read_inputs
from trader.adapters.sqlite.rows import from_us, to_us
from trader.app.links import AccountRows
from trader.domain.errors import DataError
from trader.domain.events import JournalType
from trader.domain.session import new_york_date, new_york_day

_MOMENT = timedelta(microseconds=1)


class Journaled(NamedTuple):
    """One event of the journal."""

    seq: int
    type: str
    symbol: str
    at: datetime
    data: Mapping[str, object]


class Run(NamedTuple):
    """One life of the daemon, as far as the day goes."""

    started: Journaled
    opened: Journaled | None
    """The event that has opened the account, where this is its first run."""
    inputs: Sequence[Input]
    journal: Sequence[Journaled]
    """After its start."""
    stopped: Journaled | None
    last_seq: int
    """Its last event."""
    until: datetime
    """Its end. Of one that has not ended in order: before its newest input, for what came with that may be lost."""

    @property
    def first_seq(self) -> int:
        """The first event that is played again."""
        return self.opened.seq if self.opened is not None else self.started.seq


class Recording(NamedTuple):
    """The runs whose inputs make a day; the first may have begun on an earlier one."""

    day: date
    kind: str
    """Of the book: whose money it is."""
    seed: int
    epoch: int
    runs: Sequence[Run]


def read_recording(book: sqlite3.Connection, account: str, day: date) -> Recording:
    """Read what a book has of a day. Raises DataError where it was not recorded, or cannot be read back."""
    rows = AccountRows(book, account)
    since, before = new_york_day(day)
    first = rows.one(
        "SELECT min(at_us) AS first_us, max(at_us) AS last_us FROM book_inputs WHERE account = ? AND at_us >= ? "
        "AND at_us < ?",
        to_us(since),
        to_us(before),
    )
    if first is None or first["first_us"] is None:
        raise DataError(f"nothing was recorded of {account} on {day}; {_what_there_is(rows)}")
    journal = _journal(rows, to_us(before))
    starts = [event for event in journal if event.type == JournalType.RUN_STARTED]
    earlier = [event for event in starts if to_us(event.at) <= first["first_us"]]
    if not earlier:
        raise DataError(f"the start of the run that was recorded on {day} is not in the journal of {account}")
    starts = starts[starts.index(earlier[-1]) :]
    until_us = max(first["last_us"], to_us(journal[-1].at))
    try:
        inputs = list(read_inputs(book, account, starts[0].at, until_us))
    except Unreadable as error:
        raise DataError(f"{day} cannot be played again: {error}") from error
    stamp = book.execute("SELECT kind, seed, epoch FROM book_stamp").fetchone()
    runs = _runs(starts, journal, inputs)
    return Recording(day, stamp["kind"], stamp["seed"], stamp["epoch"], runs)


def _journal(rows: AccountRows, before_us: int) -> list[Journaled]:
    found = rows.all(
        "SELECT seq, type, symbol, at_us, data FROM book_events WHERE account = ? AND at_us < ? ORDER BY seq", before_us
    )
    return [
        Journaled(row["seq"], row["type"], row["symbol"], from_us(row["at_us"]), json.loads(row["data"]))
        for row in found
    ]


def _what_there_is(rows: AccountRows) -> str:
    row = rows.one("SELECT min(at_us) AS first_us, max(at_us) AS last_us FROM book_inputs WHERE account = ?")
    if row is None or row["first_us"] is None:
        return "it has no inputs at all"
    return f"its inputs are of {new_york_date(from_us(row['first_us']))} to {new_york_date(from_us(row['last_us']))}"


def _runs(starts: Sequence[Journaled], journal: Sequence[Journaled], inputs: Sequence[Input]) -> list[Run]:
    """Inputs belong to the run in which they came: each run has `Begun` among its first, and counts its steps anew."""
    parts = _by_run(inputs)[-len(starts) :]  # the run before may have come as far as the first one's time
    if len(parts) < len(starts):
        raise DataError(f"{len(starts)} runs were started, and inputs of {len(parts)} were recorded")
    if any(not any(isinstance(one.what, Begun) for one in part) for part in parts):
        raise DataError("what the strategy was shown at a start was not recorded: a run of an older version")
    runs = []
    for place, start in enumerate(starts):
        end = starts[place + 1].seq if place + 1 < len(starts) else journal[-1].seq + 1
        own = [event for event in journal if start.seq < event.seq < end]
        before = next((event for event in journal if event.seq == start.seq - 1), None)
        opened = before if before is not None and before.type == JournalType.ACCOUNT_OPENED else None
        own = [event for event in own if event.type != JournalType.ACCOUNT_OPENED]
        stopped = next((event for event in own if event.type == JournalType.RUN_STOPPED), None)
        until = stopped.at if stopped is not None else parts[place][-1].at - _MOMENT
        told = [event for event in own if event is not stopped and event.at <= until]
        runs.append(Run(start, opened, parts[place], told, stopped, end - 1, until))
    return runs


def _by_run(inputs: Sequence[Input]) -> list[list[Input]]:
    parts: list[list[Input]] = []
    newest = 0
    for one in inputs:
        if not parts or one.step < newest:
            parts.append([])
        newest = one.step
        parts[-1].append(one)
    return parts
