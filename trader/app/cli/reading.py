"""What is held, ordered, traded and signalled: rows of the views, read from the book. No daemon is needed."""

import sqlite3
from collections.abc import Sequence
from datetime import date
from typing import Annotated, NamedTuple

import typer

from trader.adapters.sqlite.rows import LIVE_STATES, to_us
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, as_symbol, reading
from trader.app.cli.output import complain, is_terminal, show_rows
from trader.app.cli.zones import TzOption, in_zone
from trader.domain.errors import ConfigurationError
from trader.domain.session import new_york_day
from trader.domain.spelling import did_you_mean

LastOption = Annotated[int, typer.Option("--last", "-n", min=0, help="Only the newest so many; 0 is all.")]
OfSymbolOption = Annotated[str, typer.Option("--symbol", "-s", callback=as_symbol, help="Only of this symbol.")]

_SHOWN = 50


class Listing(NamedTuple):
    """A view, the table behind it, what of it is for a terminal, and what of that a narrow one leaves out first."""

    view: str
    table: str
    join: str
    order: str
    shown: tuple[str, ...]
    least: tuple[str, ...]


_OF_POSITIONS = (
    "symbol",
    "quantity",
    "avg_cost",
    "last",
    "unrealized_pnl",
    "stop_loss",
    "take_profit",
    "state",
    "opened_at",
)
_LEAST_OF_POSITIONS = ("opened_at", "avg_cost", "unrealized_pnl")
ORDERS = Listing(
    "orders",
    "book_orders",
    "v.order_ref = b.order_ref",
    "b.created_us DESC, b.order_ref DESC",
    (
        "created_at",
        "order_ref",
        "perm_id",
        "symbol",
        "side",
        "quantity",
        "filled",
        "limit_price",
        "state",
        "purpose",
        "reason",
    ),
    ("perm_id", "purpose", "limit_price", "reason", "created_at"),
)
TRADES = Listing(
    "trades",
    "book_fills",
    "v.id = b.id",
    "b.id DESC",
    ("id", "timestamp", "symbol", "side", "quantity", "price", "commission", "realized_pnl", "reason", "order_ref"),
    ("order_ref", "commission", "id", "reason"),
)
SIGNALS = Listing(
    "signals",
    "book_signals",
    "v.account = b.account AND v.id = b.id",
    "b.rowid DESC",
    ("timestamp", "id", "symbol", "probability", "outcome", "stage", "rule", "measured", "limit_value", "count"),
    ("stage", "count", "limit_value", "measured", "outcome"),
)


class Chosen(NamedTuple):
    """Which rows: conditions on the table, as SQL with its values."""

    conditions: tuple[str, ...]
    values: tuple[object, ...]

    def so_that(self, condition: str, *values: object) -> "Chosen":
        """With one more condition."""
        return Chosen((*self.conditions, condition), (*self.values, *values))


def positions_command(
    all_: Annotated[bool, typer.Option("--all", help="Also those that are flat now.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
    tz: TzOption = "",
) -> None:
    """What is held, with its stop and take-profit. Last prices are those that the book has, of the time said."""
    from trader.app.standing import valued_positions

    with reading(config, db) as (book, account, _):
        cursor = valued_positions(book, account, flat_too=all_)
        rows = cursor.fetchall()
    _show(_OF_POSITIONS, _LEAST_OF_POSITIONS, _names(cursor), rows, tz, as_json=as_json)


def orders_command(
    open_: Annotated[bool, typer.Option("--open", help="Only those that are working or of unknown fate.")] = False,
    symbol: OfSymbolOption = "",
    last: LastOption = _SHOWN,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
    tz: TzOption = "",
) -> None:
    """What the broker was asked."""
    with reading(config, db) as (book, account, _):
        chosen = _of(account, f"b.state IN {LIVE_STATES}" if open_ else "", symbol)
        columns, rows, total = _newest(book, ORDERS, chosen, last)
    _show(ORDERS.shown, ORDERS.least, columns, rows, tz, as_json=as_json, total=total)


def trades_command(
    symbol: OfSymbolOption = "",
    day: Annotated[str, typer.Option("--day", help="Only of this New York date, 2025-06-23.")] = "",
    last: LastOption = _SHOWN,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
    tz: TzOption = "",
) -> None:
    """Every execution, with its commission and what it realised."""
    with reading(config, db) as (book, account, _):
        chosen = _of(account, "", symbol)
        if day:
            chosen = chosen.so_that("b.executed_us >= ? AND b.executed_us < ?", *bounds_us(exchange_date(day)))
        columns, rows, total = _newest(book, TRADES, chosen, last)
    _show(TRADES.shown, TRADES.least, columns, rows, tz, as_json=as_json, total=total)


def signals_command(
    refused: Annotated[bool, typer.Option("--refused", help="Only those that were refused.")] = False,
    rule: Annotated[
        str, typer.Option("--rule", help="Only those this rule said no to, for example after_cutoff.")
    ] = "",
    symbol: OfSymbolOption = "",
    last: LastOption = _SHOWN,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
    tz: TzOption = "",
) -> None:
    """Every signal and its one fate. `count` says how many of a kind were folded into a row."""
    with reading(config, db) as (book, account, _):
        chosen = _of(account, "b.outcome = 'refused'" if refused else "", symbol)
        if rule:
            chosen = chosen.so_that("b.rule = ?", _known_rule(rule))
        columns, rows, total = _newest(book, SIGNALS, chosen, last)
    least = ("outcome", *SIGNALS.least) if refused or rule else SIGNALS.least  # where all have the same
    _show(SIGNALS.shown, least, columns, rows, tz, as_json=as_json, total=total)


def exchange_date(text: str) -> date:
    """A date as typed. Raises ConfigurationError."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--day {text!r}: write it as 2025-06-23") from error


def bounds_us(day: date) -> tuple[int, int]:
    """A New York date, from its midnight to the next, in stored time."""
    begins, ends = new_york_day(day)
    return to_us(begins), to_us(ends)


def _of(account: str, condition: str, symbol: str = "") -> Chosen:
    chosen = Chosen(("b.account = ?",), (account,))
    if condition:
        chosen = chosen.so_that(condition)
    return chosen.so_that("b.symbol = ?", symbol) if symbol else chosen


def _known_rule(rule: str) -> str:
    from trader.domain.decision import Rule

    if rule in list(Rule):
        return rule
    raise ConfigurationError(f"--rule {rule!r} is no rule{did_you_mean(rule, Rule)}")


def _newest(
    book: sqlite3.Connection, listing: Listing, chosen: Chosen, last: int
) -> tuple[list[str], list[sqlite3.Row], int]:
    """The newest rows, oldest of them first; and how many there are in all."""
    where = " AND ".join(chosen.conditions)
    total = book.execute(f"SELECT count(*) FROM {listing.table} b WHERE {where}", chosen.values).fetchone()[0]  # noqa: S608  (our names)
    cursor = book.execute(
        f"SELECT v.* FROM {listing.table} b JOIN {listing.view} v ON {listing.join} "  # noqa: S608  (our names)
        f"WHERE {where} ORDER BY {listing.order} LIMIT ?",
        (*chosen.values, last or -1),
    )
    rows = cursor.fetchall()
    return _names(cursor), rows[::-1], total


def _names(cursor: sqlite3.Cursor) -> list[str]:
    return [column[0] for column in cursor.description]


def _show(
    shown: Sequence[str],
    least: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    tz: str,
    *,
    as_json: bool,
    total: int | None = None,
) -> None:
    told = in_zone(columns, rows, tz, as_json=as_json)
    if is_terminal() and not as_json:
        places = [columns.index(name) for name in shown]
        columns, told = shown, [[row[place] for place in places] for row in told]
    show_rows(columns, told, as_json=as_json, least=least)
    if total is not None and total > len(rows):
        complain(f"the newest {len(rows)} of {total}; --last 0 shows all")
