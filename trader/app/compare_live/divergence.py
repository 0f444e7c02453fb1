"""The first thing that was decided otherwise: of the signals' fates, and of everything that was journaled."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple

from trader.adapters.sqlite.rows import from_us, to_us
from trader.app.compare_live.recording import Run
from trader.app.links import AccountRows, find_links
from trader.app.story import tell
from trader.domain.decision import Rule
from trader.domain.events import JournalType

_OF_THE_RUN = (
    JournalType.ACCOUNT_OPENED,
    JournalType.RUN_STARTED,
    JournalType.RUN_STOPPED,
    JournalType.RECONCILED,
)
"""They say of the process what it was and when it had heard its broker, and nothing of what it has decided."""
_NOT_DECIDED = ("build", "entries_left", "stops_entries")
"""Of an order: which code has made it. That it is another one may be why it is asked. And what follows from what is
compared, and was not told by versions that may have recorded the day."""

_NO_END = 2**62


class Decided(NamedTuple):
    """One fate of a signal, or one event."""

    at: datetime
    what: str
    """`signal`, or the event's type."""
    id: str
    symbol: str
    facts: Mapping[str, object]


class Divergence(NamedTuple):
    """Where the two part."""

    live: Decided | None
    """None where only the other one has decided something here."""
    now: Decided | None
    why_live: Sequence[str]
    why_now: Sequence[str]

    @property
    def at(self) -> datetime:
        """When, in market time."""
        return min(one.at for one in (self.live, self.now) if one is not None)


class Comparison(NamedTuple):
    """A run against the run played again."""

    signals: int
    events: int
    first: Divergence | None


def compare(live: sqlite3.Connection, now: sqlite3.Connection, account: str, run: Run, first_event: int) -> Comparison:
    """Compare what a live book has of a run with the book that it was played into."""
    ours, theirs = AccountRows(live, account), AccountRows(now, account)
    until = run.until
    signals = _signals(ours, *run.signals, until), _signals(theirs, run.signals[0], _NO_END, until)
    if run.is_cut:
        signals = _without_decided_again(*signals)
    events = _events(ours, run.first_seq, run.last_seq, until), _events(theirs, first_event, _NO_END, until)
    parted = [pair for pair in (_first(*signals), _first(*events)) if pair is not None]
    if not parted:
        return Comparison(len(signals[0]), len(events[0]), None)
    one, other = min(parted, key=lambda pair: min(decided.at for decided in pair if decided is not None))
    divergence = Divergence(one, other, _why(ours, one), _why(theirs, other))
    return Comparison(len(signals[0]), len(events[0]), divergence)


def _without_decided_again(live: Sequence[Decided], now: Sequence[Decided]) -> tuple[list[Decided], list[Decided]]:
    """Whoever waits for the other side of its family to be closed is decided again, in its own row: live perhaps later
    than is compared. That it was, and not before, the order tells that came of it.
    """
    was = {one.id: one for one in live}
    waiting = {one.id for one in now if one.facts["rule"] == Rule.TURNING and one.id in was}
    again = {one.id for one in now if one.id in waiting and _gist(one) != _gist(was[one.id])}
    return [one for one in live if one.id not in again], [one for one in now if one.id not in again]


def _first(live: Sequence[Decided], now: Sequence[Decided]) -> tuple[Decided | None, Decided | None] | None:
    for one, other in zip_longest(live, now):
        if one is None or other is None or _gist(one) != _gist(other):
            return one, other
    return None


def _gist(decided: Decided) -> tuple[object, ...]:
    """What is compared: not the id, for whoever has refused one signal more counts on from another number."""
    return decided.at, decided.what, decided.symbol, decided.facts


def _signals(rows: AccountRows, after: int, last: int, until: datetime) -> list[Decided]:
    found = rows.all(
        "SELECT * FROM book_signals WHERE account = ? AND rowid > ? AND rowid <= ? AND received_us <= ? ORDER BY rowid",
        after,
        last,
        to_us(until),
    )
    names = ("probability", "source", "outcome", "stage", "rule", "measured", "limit_value", "detail", "order_ref")
    return [
        Decided(
            from_us(row["received_us"]),
            "signal",
            row["id"],
            row["symbol"],
            {name: row[name] for name in (*names, "count")},
        )
        for row in found
    ]


def _events(rows: AccountRows, first: int, last: int, until: datetime) -> list[Decided]:
    found = rows.all(
        "SELECT seq, type, symbol, at_us, data FROM book_events WHERE account = ? AND seq >= ? AND seq <= ? "
        "AND at_us <= ? ORDER BY seq",
        first,
        last,
        to_us(until),
    )
    return list(_decided(found))


def _decided(found: Sequence[sqlite3.Row]) -> Iterator[Decided]:
    for row in found:
        if row["type"] in _OF_THE_RUN:
            continue
        facts = {name: value for name, value in json.loads(row["data"]).items() if name not in _NOT_DECIDED}
        id_ = str(facts.get("order_ref") or facts.get("execution_id") or "")
        yield Decided(from_us(row["at_us"]), row["type"], id_, row["symbol"], facts)


def _why(rows: AccountRows, decided: Decided | None) -> list[str]:
    """The story of what was decided, as `trader why` tells it."""
    links = find_links(rows, decided.id) if decided is not None and decided.id else None
    if links is None:
        return []
    return [f"{line.at:%H:%M:%S} {line.what} {line.id}: {line.said}" for line in tell(rows, links)]
