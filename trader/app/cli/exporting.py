"""`trader export`: an account's rows as a file for other programs."""

import csv
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trader.app.cli.context import ConfigOption, DbOption, JsonOption, reading
from trader.app.cli.output import show_facts
from trader.app.written_files import write_whole
from trader.domain.errors import ConfigurationError
from trader.domain.spelling import did_you_mean

if TYPE_CHECKING:
    import polars

_QUERIES = {
    "trades": "SELECT * FROM round_trips WHERE account = ? ORDER BY closed_at",
    "fills": "SELECT * FROM trades WHERE account = ? ORDER BY id",
    "orders": "SELECT * FROM orders WHERE account = ? ORDER BY created_at, order_ref",
    "signals": "SELECT * FROM signals WHERE account = ? ORDER BY timestamp",
    "events": "SELECT * FROM events WHERE account = ? ORDER BY seq",
}
_SUFFIXES = (".csv", ".parquet")
_ROWS_AT_ONCE = 10_000
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would run (OWASP, CSV injection); numbers are no texts."""


def export_command(
    what: Annotated[str, typer.Argument(metavar="trades|fills|orders|signals|events")],
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Its name ends in .csv or .parquet.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write an account's round trips (trades), executions (fills), orders, signals or journal (events) into a file."""
    if what not in _QUERIES:
        raise ConfigurationError(
            f"there is no {what!r} to export; there are {', '.join(_QUERIES)}{did_you_mean(what, _QUERIES)}"
        )
    if out.suffix not in _SUFFIXES:
        raise ConfigurationError(f"cannot export to {out}: its name has to end in {' or '.join(_SUFFIXES)}")
    if out.exists() and not force:
        raise ConfigurationError(f"{out} is there already; name another file, or replace it with --force")
    with reading(config, db) as (book, account, _):
        cursor = book.execute(_QUERIES[what], (account,))
        write_whole(
            out, lambda path: _write_csv(cursor, path) if out.suffix == ".csv" else _write_parquet(cursor, path)
        )
    show_facts({"account": account, "exported": what, "file": str(out)}, as_json=as_json)


def _columns(cursor: sqlite3.Cursor) -> list[str]:
    return [column[0] for column in cursor.description]


def _write_csv(cursor: sqlite3.Cursor, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_columns(cursor))
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            writer.writerows([_plain(value) for value in row] for row in rows)


def _plain(value: object) -> object:
    """Anybody's text, such as a signal's id, as no spreadsheet takes it for a formula: with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def _write_parquet(cursor: sqlite3.Cursor, path: Path) -> None:
    """Times are timestamps there, not texts."""
    import polars

    rows = [tuple(row) for row in cursor]
    frame = polars.DataFrame(rows, schema=_columns(cursor), orient="row", infer_schema_length=None)
    frame.with_columns(_times(frame)).write_parquet(path)


def _times(frame: "polars.DataFrame") -> "list[polars.Expr]":
    import polars

    return [
        polars.col(name).str.to_datetime(time_unit="us", time_zone="UTC")
        for name in frame.columns
        if (name == "timestamp" or name.endswith("_at")) and frame[name].dtype == polars.String
    ]
