"""An account in numbers, each counted here and nowhere else: for `trader status`, and whoever else shows them."""

import sqlite3
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import from_us, read_drift, to_us
from trader.domain.creation import HOUR
from trader.domain.holdings import Differs, compare
from trader.domain.money import MICROS_PER_DOLLAR
from trader.domain.session import new_york_date, new_york_day

_LATE = timedelta(days=1)
"""A position may be booked so long after it has ended."""


class AccountFigures(NamedTuple):
    """Money in dollars. None is unknown."""

    account: str
    positions: int
    created_last_hour: int
    """Positions that came to be within the last hour, whether or not they are held."""
    phantoms: int | None
    """Instruments that only the book has, as of the last reconciliation; None before the first."""
    reconciled_at: datetime | None
    refusals: Mapping[str, int]
    """Of the New York date, by rule, the most frequent first."""
    pnl_day: float | None
    """None before the first session of the market's date has begun."""
    pnl_total: float

    @property
    def refusals_in_words(self) -> str:
        """On one line."""
        return ", ".join(f"{rule} {count}" for rule, count in self.refusals.items())


def read_figures(
    book: sqlite3.Connection, account: str, at: datetime | None, told_at: datetime | None
) -> AccountFigures:
    """Count. `at` is now, in market time, None in a book without one; `told_at` when a daemon has last reconciled."""
    money = book.execute("SELECT starting_cash, equity FROM account WHERE account = ?", (account,)).fetchone()
    held = dict(book.execute(QUERIES["held_shares"], (account,)).fetchall())
    drift = [read_drift(tuple(row)) for row in book.execute(QUERIES["drift"], (account,))]
    reconciled_at = told_at or _reconciled_at(book, account)
    compared = compare(held, {**held, **{row.symbol: row.broker for row in drift}})
    return AccountFigures(
        account=account,
        positions=len(held),
        created_last_hour=_created_since(book, account, at - HOUR) if at is not None else 0,
        phantoms=compared.count(Differs.PHANTOM) if reconciled_at is not None else None,
        reconciled_at=reconciled_at,
        refusals=_refusals(book, account, at) if at is not None else {},
        pnl_day=_pnl_of_day(book, account, money["equity"], new_york_date(at)) if at is not None else None,
        pnl_total=round(money["equity"] - money["starting_cash"] - _moved(book, account, 0), 2),
    )


def _reconciled_at(book: sqlite3.Connection, account: str) -> datetime | None:
    row = book.execute(QUERIES["reconciled"], (account,)).fetchone()
    return from_us(row[0]) if row is not None else None


def _created_since(book: sqlite3.Connection, account: str, since: datetime) -> int:
    """Held ones, and round trips: those are read backwards, for as long as they are new enough."""
    since_us, too_old_us = to_us(since), to_us(since - _LATE)
    opened = [int(row["opened_us"]) for row in book.execute(QUERIES["held_positions"], (account,))]
    for _, opened_us, _, closed_us in book.execute(QUERIES["newest_round_trips"], (account,)):
        if closed_us < too_old_us:
            break
        opened.append(opened_us)
    return sum(opened_us > since_us for opened_us in opened)


def _refusals(book: sqlite3.Connection, account: str, at: datetime) -> dict[str, int]:
    begins, ends = new_york_day(new_york_date(at))
    return dict(book.execute(QUERIES["refusals"], (account, to_us(begins), to_us(ends))).fetchall())


def _moved(book: sqlite3.Connection, account: str, since_us: int) -> float:
    """Cash that came or went otherwise than by trading, dollars."""
    row = book.execute(
        "SELECT coalesce(sum(json_extract(data, '$.amount_micros')), 0) FROM book_events "
        "WHERE account = ? AND type = 'cash_moved' AND at_us >= ?",
        (account, since_us),
    ).fetchone()
    return float(row[0]) / MICROS_PER_DOLLAR


def _pnl_of_day(book: sqlite3.Connection, account: str, equity: float, day: date) -> float | None:
    opening = book.execute(
        "SELECT opening_equity_micros FROM book_days WHERE account = ? AND day = ?", (account, day.isoformat())
    ).fetchone()
    started = book.execute(
        "SELECT max(at_us) FROM book_events WHERE account = ? AND type = 'day_started'", (account,)
    ).fetchone()
    if opening is None or started[0] is None:
        return None
    return round(equity - float(opening[0]) / MICROS_PER_DOLLAR - _moved(book, account, started[0]), 2)
