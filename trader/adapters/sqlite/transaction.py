"""One commit, one transaction: the order in which rows are written, and what the database may refuse.

What happened (fills and what follows from them) is written first and must succeed. New orders come after it and one by
one, exits before entries, pairs last: each is checked by the database against the state that the rows before it have
made, and one that is refused takes its journal line (and an entry its lock and its pair) with it, without harming the
rest.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from trader.adapters.sqlite.alarms import acknowledge, write_alarms
from trader.adapters.sqlite.queries import QUERIES, QUERIES_TOGETHER, ROWS_TOGETHER
from trader.adapters.sqlite.rows import (
    Row,
    cash_drift_row,
    commission_row,
    day_row,
    drift_row,
    event_text,
    fill_row,
    halt_row,
    latch_row,
    lock_row,
    lot_row,
    order_row,
    position_row,
    round_trip_row,
    signal_row,
    to_us,
)
from trader.domain.alarming import ALARMING
from trader.domain.breaker import Latch
from trader.domain.decision import Rule
from trader.domain.errors import BookBroken
from trader.domain.events import JournalEntry
from trader.domain.order import Order, PendingLock
from trader.domain.portfolio import Halt
from trader.services.ports import Charge, Commit, Entry, Pair, Receipt

_RULES = {
    "book_locks.account, book_locks.symbol": Rule.SYMBOL_LOCKED,
    "family_opposite_side_refused": Rule.FAMILY_LOCKED,
    "cash_is_reserved_once": Rule.CASH_RESERVE,
}

GENESIS = "0" * 64


class Head(NamedTuple):
    """The newest event of an account's hash chain."""

    seq: int
    hash: str


def link(head: Head, account: str, entry: JournalEntry, text: str) -> Head:
    """The next link of the chain: each hash covers the one before it and every column of its row."""
    seq = head.seq + 1
    line = f"{head.hash}|{account}|{seq}|{entry.type}|{entry.symbol}|{to_us(entry.at)}|{text}"
    return Head(seq, hashlib.sha256(line.encode()).hexdigest())


def write(connection: sqlite3.Connection, commit: Commit) -> Receipt:
    """Write a commit's rows inside a transaction. Any other error than a refused entry is raised.

    Raises BookBroken when the book's cash, or a position, is not what the commit was computed from: somebody else has
    written to it, or memory has lost something of it.
    """
    _write_what_happened(connection, commit)
    refused, journal = _write_orders(connection, commit)
    _write_records(connection, commit)
    alarms = _write_events(connection, commit.account, journal)
    if commit.acknowledged:
        acknowledge(connection, commit.account, commit.acknowledged, commit.at)
    return Receipt(refused, alarms)


def journal_head(connection: sqlite3.Connection, account: str) -> Head:
    """The newest event of an account."""
    row = connection.execute(QUERIES["journal_head"], (account,)).fetchone()
    return Head(row[0], row[1]) if row is not None else Head(0, GENESIS)


def _many(connection: sqlite3.Connection, name: str, rows: list[Row]) -> None:
    while len(rows) >= ROWS_TOGETHER and name in QUERIES_TOGETHER:
        together, rows = rows[:ROWS_TOGETHER], rows[ROWS_TOGETHER:]
        connection.execute(QUERIES_TOGETHER[name], [*chain.from_iterable(together)])
    if len(rows) == 1:
        connection.execute(QUERIES[name], rows[0])
    elif rows:
        connection.executemany(QUERIES[name], rows)


def _write_what_happened(connection: sqlite3.Connection, commit: Commit) -> None:
    account, at_us = commit.account, to_us(commit.at)
    numbers: Row = (commit.cash_micros, commit.orders_made, commit.signals_seen, at_us)
    written = connection.execute(QUERIES["set_account"], (*numbers, account, commit.cash_before_micros))
    if written.rowcount != 1:
        raise BookBroken(
            f"account {account} does not hold the cash this process knows: another process has written to the book; "
            "stop both, look with `trader rebuild --check`, and start one"
        )
    _many(connection, "insert_fill", [fill_row(booking, at_us) for booking in commit.bookings])
    _many(connection, "put_lot", [lot_row(account, lot) for lot in commit.lots])
    _many(connection, "put_position", [position_row(position) for position in commit.passed])
    _many(connection, "put_position", [position_row(position) for position in commit.positions.values()])
    _check_positions(connection, commit)
    _many(connection, "insert_round_trip", [round_trip_row(trip) for trip in commit.round_trips])
    for charge in commit.charges:
        _write_charge(connection, account, charge, at_us)
    _many(
        connection,
        "update_order",
        [
            (str(order.state), order.filled, to_us(order.updated_at), order.perm_id, ref, account)
            for ref, order in commit.orders.items()
        ],
    )
    _many(connection, "insert_order", [order_row(commit.orders.get(order.ref, order)) for order in commit.spilled])
    _many(connection, "shrink_lock", [(lock.reserved_micros, ref, account) for ref, lock in commit.locks.items()])
    _many(
        connection,
        "release_lock",
        [(to_us(release.at), release.evidence, release.order_ref, account) for release in commit.releases],
    )


def _check_positions(connection: sqlite3.Connection, commit: Commit) -> None:
    """A position is the lots that the file has, and not those that memory has: what it has lost is not written over."""
    for symbol in {booking.fill.symbol for booking in commit.bookings}:
        row = connection.execute(QUERIES["in_position_and_lots"], (commit.account, symbol)).fetchone()
        if row[0] != row[1]:
            raise BookBroken(
                f"account {commit.account} holds {row[1]} {symbol} in its lots, and this process knows of {row[0]}; "
                "look with `trader rebuild --check`, and start again"
            )


def _write_charge(connection: sqlite3.Connection, account: str, charge: Charge, at_us: int) -> None:
    """A late commission; where its position was flat before it, the round trip pays, and what is left of the row."""
    late = charge.late
    connection.execute(QUERIES["insert_commission"], commission_row(account, late, at_us))
    if not charge.is_past:
        return
    trips = round_trips_since(connection, account, late.execution_id)
    if trips:
        connection.execute(QUERIES["charge_round_trip"], (late.commission_micros, account, trips[-1]))
    if len(trips) <= 1:
        connection.execute(QUERIES["charge_flat_position"], (late.commission_micros, account, late.symbol))


def round_trips_since(connection: sqlite3.Connection, account: str, execution_id: str) -> list[int]:
    """Row numbers of its symbol's round trips that ended with this execution or after it, the newest first.

    The last of them is the one that the execution belongs to. Read backwards, for as long as they are new enough.
    """
    row = connection.execute(QUERIES["fill_number"], (account, execution_id)).fetchone()
    trips: list[int] = []
    for trip, symbol, closed_by in connection.execute(QUERIES["closings"], (account,)) if row is not None else ():
        if closed_by < row[0]:
            break
        if symbol == row[1]:
            trips.append(trip)
    return trips


def _write_orders(connection: sqlite3.Connection, commit: Commit) -> tuple[dict[str, Rule], list[JournalEntry]]:
    refused: dict[str, Rule] = {}
    journal = list(commit.journal)
    for exit_ in commit.exits:
        try:
            connection.execute(QUERIES["insert_order"], order_row(exit_.order))
        except sqlite3.IntegrityError:
            refused[exit_.order.ref] = Rule.DATABASE_REFUSED
        else:
            journal.append(exit_.journal)
    for entry in commit.entries:
        rule = _write_entry(connection, entry)
        if rule is None:
            journal += [entry.journal, *_journal_of(entry.pair)]
        else:
            refused[entry.order.ref] = rule
    for pair in commit.pairs:
        try:
            _write_whole(connection, pair.orders)
        except sqlite3.IntegrityError:
            refused[pair.stop.order.ref] = Rule.DATABASE_REFUSED
        else:
            journal += _journal_of(pair)
    return refused, journal


def _journal_of(pair: Pair | None) -> list[JournalEntry]:
    return [pair.stop.journal, pair.target.journal] if pair is not None else []


def _write_entry(connection: sqlite3.Connection, entry: Entry) -> Rule | None:
    try:
        if entry.pair is not None:
            _write_whole(connection, (entry.order, *entry.pair.orders), entry.lock)
            return None
        connection.execute(QUERIES["insert_lock"], lock_row(entry.lock))
    except sqlite3.IntegrityError as error:
        return next((rule for text, rule in _RULES.items() if text in str(error)), Rule.DATABASE_REFUSED)
    connection.execute(QUERIES["insert_order"], order_row(entry.order))
    return None


def _write_whole(connection: sqlite3.Connection, orders: Iterable[Order], lock: PendingLock | None = None) -> None:
    """All of it or nothing: half a pair, or an entry without its protection, must not be."""
    connection.execute("SAVEPOINT whole")
    try:
        if lock is not None:
            connection.execute(QUERIES["insert_lock"], lock_row(lock))
        for order in orders:
            connection.execute(QUERIES["insert_order"], order_row(order))
    except sqlite3.IntegrityError:
        connection.execute("ROLLBACK TO whole")
        connection.execute("RELEASE whole")
        raise
    connection.execute("RELEASE whole")


def _write_records(connection: sqlite3.Connection, commit: Commit) -> None:
    account = commit.account
    if commit.day is not None:
        connection.execute(QUERIES["insert_day"], day_row(account, commit.day))
    _many(
        connection,
        "put_mark",
        [(account, symbol, price, to_us(at)) for symbol, (price, at) in commit.marks.items()],
    )
    _many(connection, "put_signal", [signal_row(account, row) for row in commit.signals])
    _many(
        connection,
        "put_inbox",
        [(account, offset.path, offset.offset, offset.line) for offset in commit.inbox.values()],
    )
    for symbol, drift in commit.drift.items():
        if drift is None:
            connection.execute(QUERIES["end_drift"], (account, symbol))
        else:
            connection.execute(QUERIES["put_drift"], drift_row(account, drift))
    if commit.reconciled_at is not None:
        connection.execute(QUERIES["put_reconciled"], (account, to_us(commit.reconciled_at)))
    _many(connection, "insert_movement", [(account, movement, to_us(commit.at)) for movement in commit.movements])
    if commit.cash_drift is not None:
        connection.execute(QUERIES["put_cash_drift"], cash_drift_row(account, commit.cash_drift))
    elif commit.cash_drift_changed:
        connection.execute(QUERIES["end_cash_drift"], (account,))
    _write_halts_and_latches(connection, commit)


def _write_halts_and_latches(connection: sqlite3.Connection, commit: Commit) -> None:
    """What bars entries: halts, and breakers that have tripped."""
    account = commit.account
    for change in commit.halts:
        if isinstance(change, Halt):
            connection.execute(QUERIES["insert_halt"], halt_row(account, change))
        else:
            scope, _, target = change.key.partition(":")
            connection.execute(QUERIES["clear_halt"], (to_us(change.at), change.reason, account, scope, target))
    for latch in commit.latches:
        if isinstance(latch, Latch):
            connection.execute(QUERIES["insert_latch"], latch_row(account, latch))
        else:
            cleared: Row = (to_us(latch.at), latch.by, latch.reason, account, str(latch.breaker), latch.target)
            connection.execute(QUERIES["clear_latch"], cleared)


def _write_events(connection: sqlite3.Connection, account: str, journal: list[JournalEntry]) -> int:
    """Append to the chain, and write the alarms that follow; give how many there were."""
    if not journal:
        return 0
    head = journal_head(connection, account)
    rows: list[Row] = []
    facts: list[tuple[int, JournalEntry]] = []
    for entry in journal:
        text = event_text(entry)
        head = link(head, account, entry, text)
        rows.append((account, head.seq, str(entry.type), entry.symbol, to_us(entry.at), text, head.hash))
        if entry.type in ALARMING:
            facts.append((head.seq, entry))
    _many(connection, "insert_event", rows)
    connection.execute(QUERIES["count_events"], (len(rows), account))
    return write_alarms(connection, account, facts) if facts else 0
