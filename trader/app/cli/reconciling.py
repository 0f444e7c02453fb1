"""`trader reconcile`: everything that book and broker do not agree on, and the way out of each."""

import typer

from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.rows import read_cash_drift, read_drift
from trader.app.cli.context import ConfigOption, DbOption, JsonOption, reading
from trader.app.cli.output import Exit, is_terminal, say, show_rows

_COLUMNS = ("what", "book", "broker", "since", "difference", "way_out")
_AGREES = "book and broker agree, as far as the broker has told"


def reconcile_command(config: ConfigOption = None, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Shares by symbol, and cash in dollars, of which the broker's last answers differ from the book. Exit code 4 when
    there are any. It only reads: the daemon asks the broker, once a minute."""
    with reading(config, db) as (book, account, _):
        drift = [read_drift(tuple(row)) for row in book.execute(QUERIES["drift"], (account,))]
        cash = read_cash_drift(book.execute(QUERIES["cash_drift"], (account,)).fetchone())
    rows: list[list[object]] = [[row.symbol, row.book, row.broker, row.since, row.what, row.way_out] for row in drift]
    if cash is not None:
        book_usd, broker_usd = cash.book_micros / 1_000_000, cash.broker_micros / 1_000_000
        rows.append(["cash", book_usd, broker_usd, cash.since, cash.what, cash.way_out])
    if rows or as_json or not is_terminal():
        show_rows(_COLUMNS, rows, as_json=as_json, title="Book and broker differ", least=("since",))
    else:
        say(_AGREES)
    if rows:
        raise typer.Exit(Exit.FINDINGS)
