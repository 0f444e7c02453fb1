"""The Store port on SQLite: an account's committed state in, commits out."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from trader.adapters.sqlite.database import Writer
from trader.adapters.sqlite.journal import Finding
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import (
    from_us,
    read_booking,
    read_cash_drift,
    read_day,
    read_drift,
    read_halt,
    read_lock,
    read_lot,
    read_order,
    read_position,
    to_us,
)
from trader.adapters.sqlite.soundness import chain_findings
from trader.adapters.sqlite.transaction import journal_head, round_trips_since, write
from trader.domain.errors import BookBroken
from trader.domain.events import InboxOffset
from trader.domain.ledger import Lot, day_traded_on
from trader.domain.order import corrected_by
from trader.domain.portfolio import Book, Day
from trader.domain.reference import first_epoch
from trader.services.ports import Booking, Commit, History, Receipt

_DAY_TRADES_MATTER = timedelta(days=14)
"""Longer than five sessions, whatever the holidays."""


_OF_ONE_ACCOUNT = ("paper", "live")


class Stamp(NamedTuple):
    """What a book is: written at its first start and never changed but for the epoch."""

    kind: str
    book_id: str
    epoch: int
    seed: int
    created_at: datetime

    @property
    def first_epoch(self) -> int:
        """The one it was made with, whatever was restored since; references of earlier ones are of another book."""
        return min(self.epoch, first_epoch(self.created_at))


class SqliteStore:
    """One account's view of a book."""

    def __init__(self, writer: Writer, path: Path) -> None:
        self._writer = writer
        self._path = path

    async def stamp(self, kind: str, book_id: str, seed: int, at: datetime, epoch: int = 1) -> Stamp:
        """Stamp a new book, or read the stamp. Raises BookBroken when the book is of another kind or another account.

        `book_id` is the broker's name of the account, and where there is no broker outside, ours. `epoch` is what a
        new book begins with.
        """

        def job(connection: sqlite3.Connection) -> Stamp:
            row = connection.execute(QUERIES["stamp"]).fetchone()
            if row is None:
                connection.execute(QUERIES["insert_stamp"], (kind, book_id, epoch, seed, to_us(at)))
                row = connection.execute(QUERIES["stamp"]).fetchone()
            return Stamp(row[0], row[1], row[2], row[3], from_us(row[4]))

        stamp = await self._writer.transact(job)
        if stamp.kind != kind:
            raise BookBroken(
                f"{self._path} is a {stamp.kind} book and this is a {kind} run; name another book with --db"
            )
        if kind in _OF_ONE_ACCOUNT and stamp.book_id != book_id:
            raise BookBroken(
                f"{self._path} is the book of the account {stamp.book_id} and this run is of {book_id}; name another "
                "book with --db"
            )
        return stamp

    async def knows(self, account: str) -> bool:
        """Whether the account was opened in this book."""
        return await self._writer.transact(
            lambda connection: connection.execute(QUERIES["account"], (account,)).fetchone() is not None
        )

    async def ensure_account(self, account: str, starting_cash_micros: int, at: datetime) -> bool:
        """Open the account in a book that does not know it. True as long as its journal has not begun."""

        def job(connection: sqlite3.Connection) -> bool:
            if connection.execute(QUERIES["account"], (account,)).fetchone() is None:
                row = (account, starting_cash_micros, starting_cash_micros, to_us(at), to_us(at))
                connection.execute(QUERIES["insert_account"], row)
            return journal_head(connection, account).seq == 0

        return await self._writer.transact(job)

    async def load(self, account: str) -> Book:
        """Read the committed state. Raises BookBroken when it contradicts itself."""
        return await self._writer.transact(lambda connection: _load(connection, account))

    async def held(self, account: str) -> tuple[str, ...]:
        """Symbols of which shares are held."""
        return await self._writer.transact(
            lambda connection: tuple(row[0] for row in connection.execute(QUERIES["held_symbols"], (account,)))
        )

    async def history(self, account: str, since: datetime) -> History:
        """Read what is needed to recognise repeats."""
        return await self._writer.transact(lambda connection: _history(connection, account, to_us(since)))

    async def newest_event_at(self, account: str) -> datetime | None:
        """When the newest event happened, in market time; None in a book whose journal has not begun."""
        return await self._writer.transact(lambda connection: _newest_event_at(connection, account))

    async def booked(
        self, account: str, execution_ids: Collection[str], order_refs: Collection[str] = ()
    ) -> Mapping[str, Booking]:
        """Those of the executions that are booked, and all of the orders, by execution id."""

        def job(connection: sqlite3.Connection) -> dict[str, Booking]:
            asked = [("booked", id_) for id_ in execution_ids] + [("booked_of_order", ref) for ref in order_refs]
            rows = [row for query, value in asked for row in connection.execute(QUERIES[query], (account, value))]
            return {
                row[1]: read_booking(row)._replace(is_past=bool(round_trips_since(connection, account, row[1])))
                for row in rows
            }

        return await self._writer.transact(job)

    async def moved(self, account: str, movements: Collection[str]) -> frozenset[str]:
        """Those of the cash movements that are booked."""

        def job(connection: sqlite3.Connection) -> frozenset[str]:
            rows = [connection.execute(QUERIES["moved"], (account, movement)).fetchone() for movement in movements]
            return frozenset(row[0] for row in rows if row is not None)

        return await self._writer.transact(job)

    async def commit(self, commit: Commit) -> Receipt:
        """Write one transaction."""
        return await self._writer.transact(lambda connection: write(connection, commit))

    async def check_newest_events(self) -> None:
        """Verify the chain of events since the last sealed session. Raises BookBroken."""

        def job(connection: sqlite3.Connection) -> list[Finding]:
            return chain_findings(connection, full=False)[1]

        findings = await self._writer.transact(job)
        if findings:
            first = findings[0]
            raise BookBroken(
                f"{self._path}: the journal is damaged, {first.what} {first.book} ({len(findings)} findings); see "
                "`trader rebuild --check`, and go back to a backup"
            )

    async def inbox_offset(self, account: str, path: str) -> InboxOffset | None:
        """How far an inbox file was read, or None when it never was."""
        rows = await self._writer.transact(
            lambda connection: connection.execute(QUERIES["inbox"], (account,)).fetchall()
        )
        return next((InboxOffset(*row) for row in rows if row[0] == path), None)

    async def journal_digest(self, account: str) -> str:
        """The hash of an account's newest event: it covers every event before it."""
        return await self._writer.transact(lambda connection: journal_head(connection, account).hash)

    async def close(self) -> None:
        """Close the book."""
        await self._writer.close()


def _load(connection: sqlite3.Connection, account: str) -> Book:
    row = connection.execute(QUERIES["account"], (account,)).fetchone()
    if row is None:
        raise BookBroken(f"the book has no account {account!r}")
    starting_cash, cash, orders_made, signals_seen = row
    positions = [read_position(found) for found in connection.execute(QUERIES["held_positions"], (account,))]
    orders = [read_order(found) for found in connection.execute(QUERIES["live_orders"], {"account": account})]
    locks = [read_lock(found) for found in connection.execute(QUERIES["live_locks"], (account,))]
    halts = [read_halt(found) for found in connection.execute(QUERIES["halts"], (account,))]
    epoch = connection.execute(QUERIES["stamp"]).fetchone()[2]
    book = Book(
        account=account,
        epoch=epoch,
        cash_micros=cash,
        starting_cash_micros=starting_cash,
        positions={position.symbol: position for position in positions},
        lots=_lots(connection, account),
        orders={order.ref: order for order in orders},
        exits={order.symbol: order for order in orders if order.is_own_exit},
        locks={lock.symbol: lock for lock in locks},
        halts={halt.key: halt for halt in halts},
        drift={drift.symbol: drift for drift in map(read_drift, connection.execute(QUERIES["drift"], (account,)))},
        cash_drift=read_cash_drift(connection.execute(QUERIES["cash_drift"], (account,)).fetchone()),
        day=_day(connection, account),
        day_trades=_day_trades(connection, account),
        orders_made=orders_made,
        signals_seen=signals_seen,
    )
    for position in positions:
        in_lots = sum(lot.remaining for lot in book.lots.get(position.symbol, ()))
        if in_lots != position.quantity:
            raise BookBroken(
                f"account {account}: {position.symbol} has {position.quantity} shares in its position and {in_lots} in "
                "its lots; see `trader rebuild --check`"
            )
    return book


def _day(connection: sqlite3.Connection, account: str) -> Day | None:
    """The newest day, its counters counted from its rows: a restart forgets nothing."""
    row = connection.execute(QUERIES["newest_day"], (account,)).fetchone()
    if row is None:
        return None
    openings = connection.execute(QUERIES["openings_since"], (account, row[1])).fetchone()
    fills = _since(connection.execute(QUERIES["newest_proceeds"], (account,)), row[1])
    sold_micros = sum(proceeds for proceeds, executed_us, _ in fills if executed_us >= row[1])
    return read_day(row, openings, sold_micros)


def _day_trades(connection: sqlite3.Connection, account: str) -> Counter[date]:
    """Round trips within one session, by date, of the newest weeks: read backwards, for as long as they matter."""
    found: Counter[date] = Counter()
    oldest: datetime | None = None
    for opened_us, closed_us in connection.execute(QUERIES["newest_round_trips"], (account,)):
        closed_at = from_us(closed_us)
        oldest = oldest or closed_at - _DAY_TRADES_MATTER
        if closed_at < oldest:
            break
        day = day_traded_on(from_us(opened_us), closed_at)
        if day is not None:
            found[day] += 1
    return found


def _lots(connection: sqlite3.Connection, account: str) -> dict[str, tuple[Lot, ...]]:
    """Open lots by symbol, in the order in which they were bought."""
    lots: defaultdict[str, list[Lot]] = defaultdict(list)
    for row in connection.execute(QUERIES["open_lots"], (account,)):
        lot = read_lot(row)
        lots[lot.symbol].append(lot)
    return {symbol: tuple(bought) for symbol, bought in lots.items()}


def _since(newest_first: Iterable[tuple[Any, ...]], since_us: int) -> Iterator[tuple[Any, ...]]:
    """Rows that end with their time, read backwards for as long as they are new enough."""
    for row in newest_first:
        if row[-1] < since_us:
            return
        yield row


def _newest_event_at(connection: sqlite3.Connection, account: str) -> datetime | None:
    head = connection.execute(QUERIES["journal_head"], (account,)).fetchone()
    return from_us(head[2]) if head is not None else None


def _history(connection: sqlite3.Connection, account: str, since_us: int) -> History:
    ended = [read_order(row) for row in connection.execute(QUERIES["ended_orders"], (account, since_us))]
    executions: dict[str, int | None] = {}
    for id_, reason, commission, _ in _since(connection.execute(QUERIES["newest_executions"], (account,)), since_us):
        executions.update(dict.fromkeys(corrected_by(reason)))
        executions[id_] = commission
    return History(
        executions,
        frozenset(row[0] for row in _since(connection.execute(QUERIES["newest_signals"], (account,)), since_us)),
        {order.ref: order for order in ended},
        _newest_event_at(connection, account),
    )
