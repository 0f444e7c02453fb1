"""What the book says, read from its file alone: what is not there is not there after a crash either."""

import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from invariants import violations

from trader.domain.order import reversal_of


class Held(NamedTuple):
    """One position."""

    shares: int
    is_closing: bool


class Tripped(NamedTuple):
    """A breaker that holds until somebody has looked."""

    breaker: str
    scope: str
    target: str


class Facts(NamedTuple):
    """The book at one moment. Money in micros."""

    cash_micros: int
    opening_micros: int
    held: Mapping[str, Held]
    orders: Mapping[str, str]
    """State of each order that lives, by its reference."""
    fills: Mapping[str, tuple[int, int]]
    """Shares and price of each execution that stands, by its id."""
    drift: Mapping[str, tuple[int, int]]
    """What is known to differ, by symbol: shares in the book, shares at the broker."""
    halts: Mapping[str, str]
    halted_symbols: Collection[str]
    tripped: Collection[Tripped]
    levels: Mapping[str, tuple[int | None, int | None]]
    """Limit and stop of each order that lives, by its reference."""


def read_book(path: Path) -> Facts:
    """Everything."""
    with closing(_open(path)) as book:
        rows = book.execute("SELECT execution_id, quantity, price_micros, purpose FROM book_fills").fetchall()
        undone = {id_ for id_, _, _, purpose in rows if purpose == "reversal"}
        [(cash, opening)] = book.execute("SELECT cash_micros, starting_cash_micros FROM book_accounts").fetchall()
        return Facts(
            cash_micros=cash,
            opening_micros=opening,
            held={
                symbol: Held(shares, state == "closing")
                for symbol, shares, state in book.execute(
                    "SELECT symbol, quantity, state FROM book_positions WHERE quantity > 0"
                )
            },
            orders=dict(
                book.execute(
                    "SELECT order_ref, state FROM book_orders "
                    "WHERE state IN ('created', 'working', 'cancelling', 'unknown')"
                ).fetchall()
            ),
            fills={
                id_: (shares, price)
                for id_, shares, price, purpose in rows
                if purpose != "reversal" and reversal_of(id_) not in undone
            },
            drift={
                symbol: (here, there)
                for symbol, here, there in book.execute("SELECT symbol, book, broker FROM book_drift")
            },
            halts=dict(book.execute("SELECT scope, reason FROM book_halts WHERE cleared_us IS NULL").fetchall()),
            halted_symbols=[
                target
                for (target,) in book.execute(
                    "SELECT target FROM book_halts WHERE scope = 'symbol' AND cleared_us IS NULL"
                )
            ],
            tripped=[
                Tripped(*row)
                for row in book.execute("SELECT breaker, scope, target FROM book_latches WHERE cleared_us IS NULL")
            ],
            levels={
                ref: (limit, stop)
                for ref, limit, stop in book.execute(
                    "SELECT order_ref, limit_micros, stop_micros FROM book_orders "
                    "WHERE state IN ('created', 'working', 'cancelling', 'unknown')"
                )
            },
        )


def broken_invariants(path: Path, but: frozenset[str]) -> list[str]:
    """What is wrong with the book in itself."""
    with closing(_open(path)) as book:
        return [f"{name}: {rows}" for name, rows in violations(book, but=but).items()]


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)
