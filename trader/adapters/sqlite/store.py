"""The Store port on SQLite: an account's committed state in, commits out."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from trader.adapters.sqlite.journal import Finding, cut_off, last_seal, read_journal
from trader.adapters.sqlite.one_account import AccountWriter
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import (
    from_us,
    read_booking,
    read_cash_drift,
    read_day,
    read_drift,
    read_halt,
    read_inputs,
    read_latch,
    read_lock,
    read_lot,
    read_order,
    read_position,
    to_us,
)
from trader.adapters.sqlite.transaction import journal_head, round_trips_since, write
from trader.domain.alarm import plain_text
from trader.domain.breaker import CREATION_BREAKERS, FAULT, Base, Breaker, findings_in, latch_key
from trader.domain.errors import BookBroken
from trader.domain.events import InboxOffset, JsonValue
from trader.domain.ledger import Lot, day_traded_on, shares_held
from trader.domain.order import corrected_by
from trader.domain.portfolio import Book, Day
from trader.domain.reference import first_epoch
from trader.services.ports import Booking, Commit, Excess, History, Receipt

_DAY_TRADES_MATTER = timedelta(days=14)
"""Longer than five sessions, whatever the holidays."""
_BAR = timedelta(minutes=1)
_MOST_LOSSES = 1000


_HAS_A_BROKER_OUTSIDE = ("paper", "live")


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

    def __init__(self, writer: AccountWriter, path: Path) -> None:
        self._writer = writer
        self._path = path
        self._account = writer.account
        self.alarms_raised = 0
        """By this run's commits."""

    async def stamp(self, kind: str, book_id: str, seed: int, at: datetime, epoch: int = 1) -> Stamp:
        """Stamp a new book, or read the stamp. Raises BookBroken when the book is another one than is meant.

        `book_id` is the broker's name of the account, and where there is no broker outside, ours. `epoch` is what a
        new book begins with.
        """

        def job(connection: sqlite3.Connection) -> tuple[Stamp, dict[str, str]]:
            row = connection.execute(QUERIES["stamp"]).fetchone()
            if row is None:
                connection.execute(QUERIES["insert_stamp"], (kind, book_id, epoch, seed, to_us(at)))
                row = connection.execute(QUERIES["stamp"]).fetchone()
            known = dict(connection.execute(QUERIES["broker_accounts"]).fetchall())
            return Stamp(row[0], row[1], row[2], row[3], from_us(row[4])), known

        stamp, known = await self._writer.transact(job)
        if stamp.kind != kind:
            raise BookBroken(
                f"{self._path} is a {stamp.kind} book and this is a {kind} run; name another book with --db"
            )
        if kind in _HAS_A_BROKER_OUTSIDE:
            self._check_broker_account(known or {self._account: stamp.book_id}, book_id)
        return stamp

    def _check_broker_account(self, known: Mapping[str, str], book_id: str) -> None:
        """One name of ours is one account of the broker's as long as there is the book, and the other way round."""
        was = known.get(self._account, book_id)
        other = next((name for name, id_ in known.items() if id_ == book_id and name != self._account), None)
        if was != book_id or other is not None:
            why = f"{self._account} is {was}" if was != book_id else f"{book_id} is called {other}"
            raise BookBroken(
                f"in {self._path} the account {why}, and this run calls {book_id} {self._account}; name another book "
                "with --db, or correct the configuration"
            )

    async def is_opened(self) -> bool:
        """Whether the book has the account."""
        return await self._writer.transact(
            lambda connection: connection.execute(QUERIES["account"], (self._account,)).fetchone() is not None
        )

    async def ensure_account(self, starting_cash_micros: int, at: datetime) -> bool:
        """Open the account in a book that does not know it. True as long as its journal has not begun."""

        def job(connection: sqlite3.Connection) -> bool:
            if connection.execute(QUERIES["account"], (self._account,)).fetchone() is None:
                row = (self._account, starting_cash_micros, starting_cash_micros, to_us(at), to_us(at))
                connection.execute(QUERIES["insert_account"], row)
            return journal_head(connection, self._account).seq == 0

        return await self._writer.transact(job)

    async def load(self) -> Book:
        """Read the committed state. Raises BookBroken when it contradicts itself."""
        return await self._writer.transact(lambda connection: _load(connection, self._account))

    async def held(self) -> tuple[str, ...]:
        """Symbols of which shares are held, or may be soon: an order lives."""
        return await self._writer.transact(
            lambda connection: tuple(row[0] for row in connection.execute(QUERIES["held_symbols"], (self._account,)))
        )

    async def history(self, since: datetime) -> History:
        """Read what is needed to recognise repeats."""
        return await self._writer.transact(lambda connection: _history(connection, self._account, to_us(since)))

    async def newest_event_at(self) -> datetime | None:
        """When the newest event happened, in market time; None in a book whose journal has not begun."""
        return await self._writer.transact(lambda connection: _newest_event_at(connection, self._account))

    async def booked(self, execution_ids: Collection[str]) -> Mapping[str, Booking]:
        """Those of the executions that are booked, by execution id."""

        def job(connection: sqlite3.Connection) -> dict[str, Booking]:
            asked = [(self._account, id_) for id_ in execution_ids]
            rows = [row for key in asked for row in connection.execute(QUERIES["booked"], key)]
            return {
                row[1]: read_booking(row)._replace(is_past=bool(round_trips_since(connection, self._account, row[1])))
                for row in rows
            }

        return await self._writer.transact(job)

    async def moved(self, movements: Collection[str]) -> frozenset[str]:
        """Those of the cash movements that are booked."""

        def job(connection: sqlite3.Connection) -> frozenset[str]:
            asked = [(self._account, movement) for movement in movements]
            return frozenset(row[0] for key in asked for row in connection.execute(QUERIES["moved"], key))

        return await self._writer.transact(job)

    async def commit(self, commit: Commit) -> Receipt:
        """Write one transaction."""
        receipt = await self._writer.transact(lambda connection: write(connection, commit))
        self.alarms_raised += receipt.alarms
        return receipt

    async def check_newest_events(self) -> None:
        """Verify the account's chain of events since its last sealed session. Raises BookBroken."""

        def job(connection: sqlite3.Connection) -> list[Finding]:
            findings: list[Finding] = []
            for _ in read_journal(connection, self._account, findings, last_seal(connection, self._account)):
                pass  # what is wrong with the chain is found on the way
            return [*findings, *cut_off(connection, self._account)]

        findings = await self._writer.transact(job)
        if findings:
            first = findings[0]
            raise BookBroken(
                f"{self._path}: the journal is damaged, {first.what} {first.book} ({len(findings)} findings); see "
                "`trader rebuild --check`, and go back to a backup"
            )

    async def inbox_offset(self, path: str) -> InboxOffset | None:
        """How far an inbox file was read, or None when it never was."""
        rows = await self._writer.transact(
            lambda connection: connection.execute(QUERIES["inbox"], (self._account,)).fetchall()
        )
        return next((InboxOffset(*row) for row in rows if row[0] == path), None)

    async def recorded(self) -> dict[str, JsonValue]:
        """The numbers of the newest signal and the newest input, and how many numbers are used: what a run adds has
        higher ones, whatever the time."""

        def job(connection: sqlite3.Connection) -> dict[str, JsonValue]:
            newest = {
                name: connection.execute(QUERIES[query], (self._account,)).fetchone()
                for name, query in (("signals", "newest_signal"), ("inputs", "newest_input"))
            }
            _, _, orders_made, signals_seen = connection.execute(QUERIES["account"], (self._account,)).fetchone()
            rows = {name: int(row[0]) if row is not None else 0 for name, row in newest.items()}
            return {**rows, "orders_made": orders_made, "signals_seen": signals_seen}

        return await self._writer.transact(job)

    async def journal_digest(self) -> str:
        """The hash of the newest event: it covers every event before it."""
        return await self._writer.transact(lambda connection: journal_head(connection, self._account).hash)

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
    latches = [read_latch(found) for found in connection.execute(QUERIES["latches"], (account,))]
    halts = [read_halt(found) for found in connection.execute(QUERIES["halts"], (account,))]
    epoch = connection.execute(QUERIES["stamp"]).fetchone()[2]
    day, trips = _day(connection, account), _newest_round_trips(connection, account)
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
        latches={latch.key: latch for latch in latches},
        cleared=_cleared(connection, account),
        drift={drift.symbol: drift for drift in map(read_drift, connection.execute(QUERIES["drift"], (account,)))},
        cash_drift=read_cash_drift(connection.execute(QUERIES["cash_drift"], (account,)).fetchone()),
        day=day,
        day_trades=_day_trades(trips),
        past_creations=_past_creations(trips, day),
        orders_made=orders_made,
        signals_seen=signals_seen,
    )
    for symbol in sorted({*book.positions, *book.lots}):
        held, in_lots = shares_held(book.positions, symbol), sum(lot.remaining for lot in book.lots.get(symbol, ()))
        if in_lots != held:
            raise BookBroken(
                f"account {account}: {symbol} has {held} shares in its position and {in_lots} in its lots; see "
                "`trader rebuild --check`"
            )
    return book


def _day(connection: sqlite3.Connection, account: str) -> Day | None:
    """The newest day, its counters counted from its rows: a restart forgets nothing."""
    row = connection.execute(QUERIES["newest_day"], (account,)).fetchone()
    if row is None:
        return None
    openings = connection.execute(QUERIES["openings_since"], (account, row[1])).fetchone()
    sold_micros, costs_micros = 0, 0
    for proceeds, commission, executed_us, _ in _since(
        connection.execute(QUERIES["newest_proceeds"], (account,)), row[1]
    ):
        if executed_us >= row[1]:
            sold_micros, costs_micros = sold_micros + proceeds, costs_micros + commission
    [(resumed_us,)] = connection.execute(QUERIES["newest_resumption"], (account,))
    cleared = _cleared(connection, account)
    resumed = [cleared[breaker] for breaker in CREATION_BREAKERS if breaker in cleared]
    resumed += [from_us(resumed_us)] if resumed_us is not None else []
    day = read_day(row, openings)
    newest = max(resumed, default=day.started_at)
    return day._replace(
        sold_micros=sold_micros,
        costs_micros=costs_micros,
        moved_micros=_moved_since_day_began(connection, account),
        resumed_at=newest if resumed and newest >= day.started_at else None,
    )


def _cleared(connection: sqlite3.Connection, account: str) -> dict[str, datetime]:
    """Key of a latch -> when a person has last cleared it."""
    rows = connection.execute(QUERIES["latches_cleared"], (account,))
    return {latch_key(Breaker(breaker), target): from_us(cleared_us) for breaker, target, cleared_us in rows}


def _bases(connection: sqlite3.Connection, account: str) -> dict[Breaker, Base]:
    """Of the newest day: amounts that breakers count from since a person has cleared them."""
    rows = connection.execute(QUERIES["bases_of_the_day"], {"account": account})
    return {Breaker(breaker): Base(from_us(cleared_us), micros) for breaker, cleared_us, micros in rows}


def _base_of(connection: sqlite3.Connection, account: str, breaker: Breaker, cleared_at: datetime) -> int:
    """The amount that was said when it was cleared; 0 where none was."""
    asked = {"account": account, "breaker": breaker, "cleared_us": to_us(cleared_at)}
    row = connection.execute(QUERIES["base_of_a_clearing"], asked).fetchone()
    return row[0] or 0 if row else 0


def _findings_told(connection: sqlite3.Connection, account: str) -> frozenset[str]:
    """Of all latches of the audit, without what was gone later; what could not be checked only of one that stands."""
    gone_us = dict(connection.execute(QUERIES["audit_findings_gone"], (account,)))
    return frozenset(
        key
        for inputs, is_cleared, tripped_us in connection.execute(QUERIES["audit_latches"], (account,))
        for key in findings_in(read_inputs(inputs))
        if not (is_cleared and key.endswith(FAULT)) and tripped_us > gone_us.get(plain_text(key), 0)
    )


def _moved_since_day_began(connection: sqlite3.Connection, account: str) -> int:
    moved_micros = 0
    for begins_day, amount_micros, _ in connection.execute(QUERIES["days_and_movements"], (account,)):
        moved_micros = 0 if begins_day else moved_micros + amount_micros
    return moved_micros


def _highest_equity(connection: sqlite3.Connection, account: str) -> int:
    """Of the beginnings of days, with what has moved since; of those since the drawdown was last counted anew, and of
    what it was counted from then."""
    since = _cleared(connection, account).get(Breaker.DRAWDOWN)
    highest_micros = 0 if since is None else _base_of(connection, account, Breaker.DRAWDOWN, since)
    for begins_day, amount_micros, at_us in connection.execute(QUERIES["days_and_movements"], (account,)):
        if since is not None and at_us <= to_us(since):
            continue
        if begins_day:
            highest_micros = max(highest_micros, amount_micros)
        elif highest_micros:
            highest_micros += amount_micros
    return highest_micros


def _losses(connection: sqlite3.Connection, account: str) -> tuple[datetime, ...]:
    """The newest round trips, for as long as they are losses, and no more than anybody would count."""
    losses: list[datetime] = []
    for _, _, pnl_micros, closed_us in connection.execute(QUERIES["newest_round_trips"], (account,)):
        if pnl_micros >= 0 or len(losses) >= _MOST_LOSSES:
            break
        losses.append(from_us(closed_us))
    return tuple(reversed(losses))


class _Trip(NamedTuple):
    symbol: str
    opened_at: datetime
    closed_at: datetime


def _newest_round_trips(connection: sqlite3.Connection, account: str) -> list[_Trip]:
    """Those of the newest weeks, the newest first: read backwards, for as long as they matter."""
    found: list[_Trip] = []
    for symbol, opened_us, _, closed_us in connection.execute(QUERIES["newest_round_trips"], (account,)):
        trip = _Trip(symbol, from_us(opened_us), from_us(closed_us))
        if found and trip.closed_at < found[0].closed_at - _DAY_TRADES_MATTER:
            break
        found.append(trip)
    return found


def _day_trades(trips: Iterable[_Trip]) -> Counter[date]:
    """Round trips within one session, by date."""
    days = (day_traded_on(trip.opened_at, trip.closed_at) for trip in trips)
    return Counter(day for day in days if day is not None)


def _past_creations(trips: Iterable[_Trip], day: Day | None) -> dict[str, tuple[datetime, ...]]:
    """By symbol: when the day's positions that are flat again came to be."""
    found: dict[str, tuple[datetime, ...]] = {}
    for trip in trips:
        if day is not None and trip.opened_at >= day.started_at:
            found[trip.symbol] = (trip.opened_at, *found.get(trip.symbol, ()))
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


def _entered_at(connection: sqlite3.Connection, account: str, ends_at: datetime | None) -> dict[str, datetime]:
    if ends_at is None:
        return {}
    since_us = to_us(ends_at - _BAR)
    return {symbol: from_us(us) for symbol, us in connection.execute(QUERIES["entered_since"], (account, since_us))}


def _history(connection: sqlite3.Connection, account: str, since_us: int) -> History:
    ended = [read_order(row) for row in connection.execute(QUERIES["ended_orders"], (account, since_us))]
    executions: dict[str, int | None] = {}
    shares: Counter[str] = Counter()
    newest = _since(connection.execute(QUERIES["newest_executions"], (account,)), since_us)
    for id_, reason, commission, order_ref, moves_by, _ in newest:
        executions.update(dict.fromkeys(corrected_by(reason)))
        executions[id_] = commission
        shares[order_ref] += moves_by
    live = [read_order(row) for row in connection.execute(QUERIES["live_orders"], {"account": account})]
    is_beyond = any(order.filled > shares[order.ref] for order in (*ended, *live))
    ends_at = _newest_event_at(connection, account)
    return History(
        executions,
        frozenset(row[0] for row in _since(connection.execute(QUERIES["newest_signals"], (account,)), since_us)),
        {order.ref: order for order in ended},
        _entered_at(connection, account, ends_at),
        ends_at,
        beyond=_beyond(connection, account, since_us) if is_beyond else {},
        losses=_losses(connection, account),
        highest_equity_micros=_highest_equity(connection, account),
        bases=_bases(connection, account),
        findings_told=_findings_told(connection, account),
    )


def _beyond(connection: sqlite3.Connection, account: str, since_us: int) -> dict[str, Excess]:
    """What has moved orders without being booked. Its events are searched for, as nothing else has them: seldom."""
    found: dict[str, Excess] = {}
    for execution_id, order_ref, shares, _ in _since(connection.execute(QUERIES["moved_beyond"], (account,)), since_us):
        found.setdefault(execution_id, Excess(order_ref, shares))
    return found
