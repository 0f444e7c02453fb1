"""`trader reconcile`: everything that book and broker do not agree on, and the way out of each."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Annotated

import typer

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import from_us, read_cash_drift, read_drift
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, reading
from trader.app.cli.every_account import reconcile_every_account
from trader.app.cli.output import Exit, is_terminal, say, show_rows
from trader.domain.events import JournalType

_COLUMNS = ("what", "book", "broker", "since", "difference", "way_out")
_AGREES = "book and broker agree, as far as the broker has told"


def reconcile_command(
    all_accounts: Annotated[
        bool, typer.Option("--all-accounts", help="Ask the broker of every configured account now, and count.")
    ] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shares by symbol, cash in dollars, ids of orders, and executions, of which what the broker tells is not what the
    book has. Exit code 4 when there are any. It only reads: the daemon asks the broker, once a minute.

    With --all-accounts, of every configured account: how many
    instruments broker and database hold, and how many of them match in
    quantity, are phantom (only the database has them), missing (only
    the broker has them), or differ in quantity. What does not answer is
    unknown. Exit code 4 when anything differs, else 2 when a book cannot
    be read, else 3 when a broker does not answer.
    """
    if all_accounts:
        reconcile_every_account(config, db, as_json=as_json)
        return
    with reading(config, db) as (book, account, _):
        rows = [*_shares(book, account), *_cash(book, account), *_breaks(book, account)]
    if rows or as_json or not is_terminal():
        show_rows(_COLUMNS, rows, as_json=as_json, title="Book and broker differ", least=("since",))
    else:
        say(_AGREES)
    if rows:
        raise typer.Exit(Exit.FINDINGS)


def _shares(book: sqlite3.Connection, account: str) -> Iterator[list[object]]:
    for row in book.execute(QUERIES["drift"], (account,)):
        drift = read_drift(tuple(row))
        yield [drift.symbol, drift.book, drift.broker, drift.since, drift.what, drift.way_out]


def _cash(book: sqlite3.Connection, account: str) -> Iterator[list[object]]:
    cash = read_cash_drift(book.execute(QUERIES["cash_drift"], (account,)).fetchone())
    if cash is not None:
        book_usd, broker_usd = cash.book_micros / 1_000_000, cash.broker_micros / 1_000_000
        yield ["cash", book_usd, broker_usd, cash.since, cash.what, cash.way_out]


def _breaks(book: sqlite3.Connection, account: str) -> Iterator[list[object]]:
    """What somebody has to look at, with what the book has of its order."""
    for type_, symbol, at_us, data, perm_id, state, filled in book.execute(QUERIES["breaks"], (account,)):
        fact, order = json.loads(data), f"is {state} with {filled} filled" if state else "is not in the book"
        if type_ == JournalType.IDENTITY_BROKEN:
            yield [
                f"order {fact['order_ref']}",
                perm_id,
                fact["perm_id"],
                from_us(at_us),
                f"{symbol}: {fact['what']}; the order {order}",
                f"look at both in TWS, cancel the one too many, then `trader resume --symbol {symbol} --reason ...`",
            ]
        else:
            yield [
                f"execution {fact['execution_id']}",
                None,
                fact["reported"],
                from_us(at_us),
                f"{symbol}: it cannot be booked; its order {fact['order_ref']} {order}",
                f"`trader why {fact['execution_id']}` says why; compare with TWS, then `trader resume`",
            ]
