"""What a book has of a live day, and from where on it has too little.

Rule 1: whatever was journaled came of a step, and of each step that something has come of all inputs are recorded. From
the first event on of which that is not so, and from the first input on that is missing or cannot be read back, nothing
is compared.
Rule 2: neither is what came of failing writes, nor of what a process has counted by its own ticks.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

from trader.adapters.sqlite.folding import fold
from trader.adapters.sqlite.inputs import Begun, Input, Unreadable, read_inputs
from trader.adapters.sqlite.rows import from_us, to_us
from trader.app.links import AccountRows
from trader.domain.alarm import AlarmType
from trader.domain.breaker import Breaker
from trader.domain.errors import BookBroken, DataError
from trader.domain.events import EvidenceGiven, JournalType
from trader.domain.session import new_york_date, new_york_day

_MOMENT = timedelta(microseconds=1)
_NO_END = 2**62
_BY_TICKS = frozenset({Breaker.STALE_DATA, Breaker.EXIT_SCANNER, Breaker.BOOK_WRITER})
"""What they measure is counted by the process while nothing comes in."""


class Journaled(NamedTuple):
    """One event of the journal."""

    seq: int
    type: str
    symbol: str
    at: datetime
    data: Mapping[str, object]


class Untold(NamedTuple):
    """From where on a run cannot be compared."""

    since: datetime
    why: str
    events: int
    """That were journaled from there on."""


class Run(NamedTuple):
    """One life of the daemon, as far as the day goes."""

    started: Journaled
    opened: Journaled | None
    """The event that has opened the account, where this is its first run."""
    inputs: Sequence[Input]
    signals: tuple[int, int]
    """The number of the newest signal before it, and of its own newest one."""
    repaired_at: datetime | None
    """When its recovery has closed one side of a family that was held both ways, where it has."""
    stopped: Journaled | None
    last_seq: int
    """Its last event."""
    until: datetime
    """How far it can be compared: its end, or before what is untold."""
    untold: Untold | None

    @property
    def first_seq(self) -> int:
        """The first event that is played again."""
        return self.opened.seq if self.opened is not None else self.started.seq

    @property
    def epoch(self) -> int:
        """Of its order references: that of the book may be a later one."""
        epoch = self.started.data.get("epoch")
        return epoch if isinstance(epoch, int) else 1

    def number(self, what: str) -> int:
        """A number that the book had when it began."""
        return _recorded(self.started, what)

    @property
    def is_cut(self) -> bool:
        """Whether it went on after what is compared of it."""
        return self.stopped is None or self.untold is not None

    @property
    def can_be_played(self) -> bool:
        """Whether there is anything to compare."""
        return self.until > self.started.at


class Recording(NamedTuple):
    """The runs whose inputs make a day; the first may have begun on an earlier one."""

    day: date
    kind: str
    """Of the book: whose money it is."""
    runs: Sequence[Run]


def read_recording(book: sqlite3.Connection, account: str, day: date) -> Recording:
    """Read what a book has of a day. Raises DataError where it was not recorded, or cannot be played again, and
    BookBroken where the journal that it would be compared with is damaged.
    """
    rows = AccountRows(book, account)
    since, before = new_york_day(day)
    first = rows.one(
        "SELECT min(seq) AS first_seq, max(seq) AS last_seq FROM book_inputs WHERE account = ? AND at_us >= ? "
        "AND at_us < ?",
        to_us(since),
        to_us(before),
    )
    if first is None or first["first_seq"] is None:
        raise DataError(f"nothing was recorded of {account} on {day}; {_what_there_is(rows)}")
    _check(book, account)
    journal = _journal(rows, to_us(before))
    starts = _of_the_day([event for event in journal if event.type == JournalType.RUN_STARTED], first["first_seq"])
    if not all("recorded" in start.data for start in starts):
        raise DataError(f"{day} cannot be played again: it was recorded by an older version")
    if not starts:
        raise DataError(f"the start of the run that was recorded on {day} is not in the journal of {account}")
    inputs = list(read_inputs(book, account, _recorded(starts[0], "inputs"), first["last_seq"]))
    goes_on = _goes_on(rows, starts[-1], journal[-1].seq, first["last_seq"])
    runs = _runs(rows, starts, journal, inputs, before if goes_on else None)
    if not any(run.can_be_played and run.until > since for run in runs):
        gaps = [f"from {gap.since:%Y-%m-%d %H:%M:%S} UTC on, {gap.why}" for gap in (run.untold for run in runs) if gap]
        raise DataError(f"{day} cannot be played again: {'; '.join(gaps)}")
    return Recording(day, book.execute("SELECT kind FROM book_stamp").fetchone()["kind"], runs)


def _of_the_day(starts: Sequence[Journaled], first_input: int) -> Sequence[Journaled]:
    """From the run that has recorded a day's first input on; where none says so, those of older versions."""
    earlier = [start for start in starts if "recorded" in start.data and _recorded(start, "inputs") < first_input]
    if earlier:
        return starts[starts.index(earlier[-1]) :]
    return [start for start in starts if "recorded" not in start.data]


def _check(book: sqlite3.Connection, account: str) -> None:
    if book.execute("SELECT one FROM book_stamp").fetchone() is None:
        raise BookBroken("the book has no stamp; see `trader doctor --full`")
    findings = fold(book, account).findings
    if findings:
        raise BookBroken(
            f"the journal of account {account} is damaged, {findings[0].what} {findings[0].book} ({len(findings)} "
            "findings); see `trader rebuild --check`, and go back to a backup"
        )


def _journal(rows: AccountRows, before_us: int) -> list[Journaled]:
    found = rows.all(
        "SELECT seq, type, symbol, at_us, data FROM book_events WHERE account = ? AND at_us < ? ORDER BY seq", before_us
    )
    return [_journaled(row) for row in found]


def _journaled(row: sqlite3.Row) -> Journaled:
    return Journaled(row["seq"], row["type"], row["symbol"], from_us(row["at_us"]), json.loads(row["data"]))


def _goes_on(rows: AccountRows, start: Journaled, seq: int, last_input: int) -> bool:
    """Whether the run of the day's last event has decided on a later day, and so has written what it had decided; and
    whether it has heard something later, or has ended in order, and so has written what it had heard.
    """
    events = "SELECT seq, type, symbol, at_us, data FROM book_events WHERE account = ? AND seq > ?"
    after = rows.one(f"{events} ORDER BY seq LIMIT 1", seq)
    if after is None or after["type"] == JournalType.RUN_STARTED:
        return False
    started, stopped = (
        rows.one(f"{events} AND type = ? ORDER BY seq LIMIT 1", seq, type_)
        for type_ in (JournalType.RUN_STARTED, JournalType.RUN_STOPPED)
    )
    following = _journaled(started) if started is not None else None
    written = rows.one(
        "SELECT count(*) AS written, max(seq) AS last FROM book_inputs WHERE account = ? AND seq > ? AND seq <= ?",
        _recorded(start, "inputs"),
        _recorded(following, "inputs") if following is not None else _NO_END,
    )
    assert written is not None  # noqa: S101  (it counts)
    if stopped is not None and (following is None or stopped["seq"] < following.seq):
        return bool(_journaled(stopped).data.get("inputs") == written["written"])
    return int(written["last"] or 0) > last_input


def _what_there_is(rows: AccountRows) -> str:
    row = rows.one("SELECT min(at_us) AS first_us, max(at_us) AS last_us FROM book_inputs WHERE account = ?")
    if row is None or row["first_us"] is None:
        return "it has no inputs at all"
    return f"its inputs are of {new_york_date(from_us(row['first_us']))} to {new_york_date(from_us(row['last_us']))}"


def _recorded(start: Journaled, what: str) -> int:
    """A number that the book had when a run began: of its newest signal or input, or of those that were used."""
    recorded = start.data["recorded"]
    number = recorded.get(what) if isinstance(recorded, dict) else None
    return number if isinstance(number, int) else 0


def _runs(
    rows: AccountRows,
    starts: Sequence[Journaled],
    journal: Sequence[Journaled],
    inputs: Sequence[Input],
    day_ends_at: datetime | None,
) -> list[Run]:
    """`day_ends_at`: where the last run goes on after it."""
    runs = []
    for start, following in zip_longest(starts, starts[1:]):
        end = following.seq if following is not None else journal[-1].seq + 1
        last = _recorded(following, "inputs") if following is not None else _NO_END
        before = next((event for event in journal if event.seq == start.seq - 1), None)
        opened = before if before is not None and before.type == JournalType.ACCOUNT_OPENED else None
        own = [event for event in journal if start.seq < event.seq < end]
        own_inputs = [one for one in inputs if _recorded(start, "inputs") < one.seq <= last]
        signals = _recorded(start, "signals"), _recorded(following, "signals") if following is not None else _NO_END
        ends_at = day_ends_at if following is None else None
        decided_at = max((event.at for event in own), default=start.at)
        newest = rows.one(
            "SELECT received_us FROM book_signals WHERE account = ? AND rowid > ? AND rowid <= ? "
            "ORDER BY rowid DESC LIMIT 1",
            *signals,
        )
        if newest is not None:
            decided_at = max(decided_at, from_us(newest["received_us"]))
        runs.append(_run(start, opened, own, own_inputs, signals, decided_at, ends_at))
    return runs


def _run(
    start: Journaled,
    opened: Journaled | None,
    own: Sequence[Journaled],
    inputs: Sequence[Input],
    signals: tuple[int, int],
    decided_at: datetime,
    day_ends_at: datetime | None,
) -> Run:
    stopped = next((event for event in own if event.type == JournalType.RUN_STOPPED), None)
    told = [event for event in own if stopped is None or event.seq < stopped.seq]
    last = stopped or (told[-1] if told else start)
    repaired_at = _repaired_at(told, inputs)
    gaps = [
        _first_unread(inputs),
        _first_untold(start, told, inputs, repaired_at),
        _unwritten_end(start, inputs, stopped, decided_at, day_ends_at),
    ]
    first = min((gap for gap in gaps if gap is not None), default=None, key=lambda gap: gap[0])
    if first is None:
        until = day_ends_at - _MOMENT if day_ends_at is not None else last.at
        return Run(start, opened, inputs, signals, repaired_at, stopped, last.seq, until, None)
    since, why = first
    untold = Untold(since, why, sum(event.at >= since for event in told))
    return Run(start, opened, inputs, signals, repaired_at, stopped, last.seq, since - _MOMENT, untold)


_Gap = tuple[datetime, str]
"""From when on something is missing, and what."""


def _first_unread(inputs: Sequence[Input]) -> _Gap | None:
    return next(((one.at, one.what.why) for one in inputs if isinstance(one.what, Unreadable)), None)


def _unwritten_end(
    start: Journaled,
    inputs: Sequence[Input],
    stopped: Journaled | None,
    decided_at: datetime,
    day_ends_at: datetime | None,
) -> _Gap | None:
    """Where a run was killed, its last inputs may not be written, nor its last refusals, which wait for a commit; nor
    the inputs where its end could be written and they could not.
    """
    newest_at = inputs[-1].at if inputs else start.at
    if stopped is None:
        why = "the run has not ended in order, or goes on: so far its inputs and decisions are written"
        return (min(newest_at, decided_at), why) if day_ends_at is None else None
    taken, written = stopped.data.get("inputs"), sum(not isinstance(one.what, Unreadable) for one in inputs)
    if isinstance(taken, int) and taken > written:
        return newest_at, f"of the {taken} inputs of that run {taken - written} were not written, or are missing"
    return None


def _first_untold(
    start: Journaled, told: Sequence[Journaled], inputs: Sequence[Input], repaired_at: datetime | None
) -> _Gap | None:
    """The first instant from which on the journal is not what follows from the inputs, and why."""
    if not any(isinstance(one.what, Begun) for one in inputs):
        return start.at, f"of the run of {start.at:%H:%M:%S} its start was not recorded: it ended before that"
    steps = {one.at for one in inputs if not one.lies_between_steps}
    for event in told:
        if event.data.get("alarm") == AlarmType.BOOK_UNWRITABLE:
            written_at = max((one.at for one in told if one.at < event.at), default=start.at)
            return written_at + _MOMENT, "the book could not be written for a while, and when that was is not recorded"
        if event.type == JournalType.BREAKER_TRIPPED and event.data["breaker"] in _BY_TICKS:
            return event.at, f"{event.data['breaker']} had tripped, which is counted while nothing comes in"
        if event.at not in steps and event.at != repaired_at:
            return event.at, f"what had led to {event.type} was not recorded"
    return None


def _repaired_at(told: Sequence[Journaled], inputs: Sequence[Input]) -> datetime | None:
    """Recovery journals once by itself, between the broker's first answer and what the strategy is shown."""
    answered = next((one for one in inputs if isinstance(one.what, EvidenceGiven)), None)
    begun = next((one for one in inputs if isinstance(one.what, Begun)), None)
    if answered is None or begun is None:
        return None
    return next((event.at for event in told if answered.at < event.at <= begun.at), None)
