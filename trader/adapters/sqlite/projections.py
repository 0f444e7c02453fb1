"""The tables that follow from the journal, as the journal says they are and as the book has them.

Rule 1: comparing reads one snapshot of the book and changes nothing.
Rule 2: every column is compared, but for what the journal leaves out by design: when an order was acknowledged, by
which id of the broker's, and the numbers of rows.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from trader.adapters.sqlite.checksums import differences
from trader.adapters.sqlite.folding import Folded, HaltRow, LatchRow, LockRow, fold
from trader.adapters.sqlite.journal import Finding
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import (
    Row,
    cash_drift_row,
    commission_row,
    drift_row,
    fill_row,
    from_us,
    halt_row,
    latch_row,
    lock_row,
    lot_row,
    order_row,
    position_row,
    round_trip_row,
    to_us,
)
from trader.adapters.sqlite.soundness import GUARDS, lost_parts
from trader.domain.money import dollars
from trader.domain.order import OrderState

Key = tuple[object, ...]
Rows = dict[Key, Row]

_INSERT = re.compile(r"INSERT INTO (\w+)\s*\(([^)]*)\)")
_BASE32_TO_PYTHON = str.maketrans("ABCDEFGHJKMNPQRSTVWXYZ", "abcdefghijklmnopqrstuv")


class Projection(NamedTuple):
    """A table that follows from the journal."""

    noun: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """The columns by which a person knows a row."""
    gist: tuple[str, ...]
    """The columns that say what a row is about."""

    def keyed(self, rows: Iterable[Row]) -> Rows:
        """Rows by their key."""
        places = [self.columns.index(name) for name in self.key]
        return {tuple(row[place] for place in places): row for row in rows}

    def gist_of(self, row: Row) -> str:
        """What a row is about, in a few words."""
        return ", ".join(f"{name} {told(name, row[self.columns.index(name)])}" for name in self.gist)


def _as_inserted(
    noun: str, query: str, key: tuple[str, ...], gist: tuple[str, ...], more: tuple[str, ...] = ()
) -> Projection:
    """The projection with the columns, in their order, of the statement that writes its rows."""
    match = _INSERT.search(QUERIES[query])
    assert match is not None  # noqa: S101  (our own statements begin so)
    columns = tuple(name.strip() for name in match[2].split(",") if name.strip() != "checksum")
    return Projection(noun, match[1], columns + more, key, gist)


ACCOUNT = Projection(
    "account",
    "book_accounts",
    ("account", "starting_cash_micros", "cash_micros", "reserved_micros"),
    ("account",),
    ("cash_micros",),
)
POSITIONS = _as_inserted("position", "put_position", ("symbol",), ("quantity", "state"))
LOTS = _as_inserted("lot", "put_lot", ("symbol", "execution_id"), ("remaining", "cost_micros"))
ORDERS = _as_inserted("order", "insert_order", ("symbol", "order_ref"), ("side", "quantity", "filled", "state"))
LOCKS = _as_inserted(
    "lock", "insert_lock", ("symbol", "order_ref"), ("reserved_micros", "released_us"), ("released_us", "evidence")
)
HALTS = _as_inserted("halt", "insert_halt", ("scope", "target"), ("reason",), ("cleared_us", "cleared_reason"))
LATCHES = _as_inserted(
    "latch", "insert_latch", ("breaker", "target"), ("cause",), ("cleared_us", "cleared_by", "cleared_reason")
)
DRIFT = _as_inserted("drift", "put_drift", ("symbol",), ("book", "broker"))
CASH_DRIFT = _as_inserted("cash", "put_cash_drift", ("account",), ("book_micros", "broker_micros"))
MOVEMENTS = _as_inserted("cash movement", "insert_movement", ("movement",), ("booked_us",))
FILLS = _as_inserted("execution", "insert_fill", ("symbol", "execution_id"), ("side", "quantity", "price_micros"))
COMMISSIONS = _as_inserted("commission", "insert_commission", ("execution_id",), ("commission_micros",))
ROUND_TRIPS = _as_inserted("round trip", "insert_round_trip", ("symbol",), ("quantity", "pnl_micros"))
NUMBERED = (ROUND_TRIPS, HALTS, LATCHES)
"""Their rows have no name of their own: the first, the second of their key."""


class Sides(NamedTuple):
    """One projection's rows: as they follow from the journal, and as they are in the book."""

    expected: Rows
    found: Rows


class Comparison(NamedTuple):
    """A book's tables against its journal."""

    events: int
    journal_findings: list[Finding]
    """The journal itself is damaged: nothing can be rebuilt from it."""
    book_findings: list[Finding]

    @property
    def findings(self) -> list[Finding]:
        """All of them, the journal's own first."""
        return self.journal_findings + self.book_findings


def compare(connection: sqlite3.Connection, account: str) -> Comparison:
    """Fold an account's journal and compare the tables with it, in one snapshot."""
    connection.execute("BEGIN")
    try:
        folded = fold(connection, account)
        tables = sides(connection, folded)
        made, needed = orders_made(connection, folded)
        changed = [*differences(connection, account)]
        stamps = connection.execute(QUERIES["stamp"]).fetchall()
    finally:
        connection.execute("ROLLBACK")
    findings = [finding for projection, both in tables.items() for finding in _differences(projection, both)]
    findings += [
        Finding(f"{part.kind} {part.name}", "schema", "guards the book", how)
        for part, how in lost_parts(connection).items()
        if part.kind in GUARDS
    ]
    if made < needed:
        findings.append(Finding(f"account {account}", "book_accounts.orders_made", f"at least {needed}", str(made)))
    findings += [Finding(one.key or f"account {account}", one.table, one.written, one.found) for one in changed]
    if not stamps:
        findings.append(Finding("the book", "book_stamp", "stamped once", "no row"))
    return Comparison(folded.events, folded.findings, findings)


def sides(connection: sqlite3.Connection, folded: Folded) -> dict[Projection, Sides]:
    """Every projection's two sides."""
    account = folded.account
    expected: dict[Projection, Rows] = {
        ACCOUNT: ACCOUNT.keyed([(account, folded.starting_cash_micros, folded.cash_micros, _reserved(folded))]),
        POSITIONS: POSITIONS.keyed(position_row(position) for position in folded.positions.values()),
        LOTS: LOTS.keyed(lot_row(account, lot) for lot in folded.lots.values()),
        ORDERS: ORDERS.keyed(order_row(order) for order in folded.orders.values()),
        LOCKS: LOCKS.keyed(_lock_row(row) for row in folded.locks.values()),
        HALTS: _numbered(HALTS, (_halt_row(account, row) for row in folded.halts)),
        LATCHES: _numbered(LATCHES, (_latch_row(account, row) for row in folded.latches)),
        DRIFT: DRIFT.keyed(drift_row(account, drift) for drift in folded.drift.values()),
        CASH_DRIFT: CASH_DRIFT.keyed([cash_drift_row(account, folded.cash_drift)] if folded.cash_drift else []),
        MOVEMENTS: MOVEMENTS.keyed((account, movement, to_us(at)) for movement, at in folded.movements.items()),
        FILLS: FILLS.keyed(fill_row(row.booking, to_us(row.booked_at)) for row in folded.fills.values()),
        COMMISSIONS: COMMISSIONS.keyed(
            commission_row(account, row.late, to_us(row.booked_at)) for row in folded.commissions.values()
        ),
        ROUND_TRIPS: _numbered(ROUND_TRIPS, (round_trip_row(trip) for trip in folded.round_trips)),
    }
    tables = {projection: Sides(rows, _found(connection, projection, account)) for projection, rows in expected.items()}
    _allow_acknowledgements(tables[ORDERS])
    return tables


def orders_made(connection: sqlite3.Connection, folded: Folded) -> tuple[int, int]:
    """How many references the book says it has used in its epoch, and how many it has. Fewer would use one twice."""
    made = connection.execute("SELECT orders_made FROM book_accounts WHERE account = ?", (folded.account,)).fetchone()
    epoch = connection.execute("SELECT epoch FROM book_stamp").fetchone()
    if epoch is None:
        return 0, 0
    if made is None:
        return 0, len(folded.orders)
    prefix = f"{folded.account}-{epoch[0]}-"
    numbers = [
        int(ref.removeprefix(prefix).translate(_BASE32_TO_PYTHON), 32)
        for ref in folded.orders
        if ref.startswith(prefix) and ref.removeprefix(prefix).isalnum()
    ]
    return int(made[0]), max(numbers, default=0)


def _reserved(folded: Folded) -> int:
    return sum(row.lock.reserved_micros for row in folded.locks.values())


def _lock_row(row: LockRow) -> Row:
    return (*lock_row(row.lock), _us_or_none(row.released_at), row.evidence)


def _halt_row(account: str, row: HaltRow) -> Row:
    return (*halt_row(account, row.halt), _us_or_none(row.cleared_at), row.cleared_reason)


def _latch_row(account: str, row: LatchRow) -> Row:
    return (*latch_row(account, row.latch), _us_or_none(row.cleared_at), row.cleared_by, row.cleared_reason)


def _us_or_none(at: datetime | None) -> int | None:
    return to_us(at) if at is not None else None


def _found(connection: sqlite3.Connection, projection: Projection, account: str) -> Rows:
    """The book's own rows."""
    query = f"SELECT {', '.join(projection.columns)} FROM {projection.table} WHERE account = ?"  # noqa: S608  (our names)
    if projection in NUMBERED:
        return _numbered(projection, (tuple(row) for row in connection.execute(f"{query} ORDER BY id", (account,))))
    return projection.keyed(tuple(row) for row in connection.execute(query, (account,)))


def _numbered(projection: Projection, rows: Iterable[Row]) -> Rows:
    seen: Counter[Key] = Counter()
    places = [projection.columns.index(name) for name in projection.key]
    numbered: Rows = {}
    for row in rows:
        key = tuple(row[place] for place in places)
        seen[key] += 1
        numbered[*key, seen[key]] = row
    return numbered


def _allow_acknowledgements(orders: Sides) -> None:
    """Where the journal knows an order as created, the book may know that it was acknowledged, when, and as what."""
    state, updated, perm_id = (ORDERS.columns.index(name) for name in ("state", "updated_us", "perm_id"))
    for key, row in orders.expected.items():
        found = orders.found.get(key)
        if found is None:
            continue
        known = list(row)
        known[perm_id] = found[perm_id]
        if row[state] == OrderState.CREATED and found[state] == OrderState.WORKING:
            known[state], known[updated] = found[state], found[updated]
        orders.expected[key] = tuple(known)


def _differences(projection: Projection, both: Sides) -> list[Finding]:
    findings: list[Finding] = []
    for key in sorted({*both.expected, *both.found}, key=str):
        expected, found = both.expected.get(key), both.found.get(key)
        if expected == found:
            continue
        what = f"{projection.noun} {' '.join(str(part) for part in key if part != '')}"
        if expected is None or found is None:
            journal = projection.gist_of(expected) if expected is not None else "nothing of it"
            book = projection.gist_of(found) if found is not None else "no row"
            findings.append(Finding(what, projection.table, journal, book))
            continue
        findings += [
            Finding(what, f"{projection.table}.{name}", told(name, expected[place]), told(name, found[place]))
            for place, name in enumerate(projection.columns)
            if expected[place] != found[place]
        ]
    return findings


def told(column: str, value: object) -> str:
    """A stored value as a person reads it: dollars, a time, or the word itself."""
    if value is None:
        return "none"
    if isinstance(value, int) and column.endswith("_micros"):
        return f"{dollars(value)} USD"
    if isinstance(value, int) and column.endswith("_us"):
        return from_us(value).isoformat()
    return str(value)
