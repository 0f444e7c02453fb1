"""The lists behind the first page's numbers: rows of the views, the newest first."""

import sqlite3
from collections.abc import Mapping
from typing import NamedTuple

MOST_ROWS = 500


class Listed(NamedTuple):
    """Rows of a view, and how many there are in all."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    total: int
    chosen: Mapping[str, str]
    ids: tuple[str, ...]
    """Columns whose values have a story."""


class _List(NamedTuple):
    view: str
    order: str
    filters: tuple[str, ...]
    ids: tuple[str, ...] = ()


LISTS: Mapping[str, _List] = {
    "positions": _List("positions", "symbol", ("symbol", "state")),
    "orders": _List(
        "orders", "created_at DESC, order_ref DESC", ("symbol", "state", "purpose", "side"), ("order_ref", "signal_id")
    ),
    "fills": _List("trades", "id DESC", ("symbol", "side", "purpose", "reason"), ("id", "execution_id", "order_ref")),
    "trades": _List("round_trips", "closed_at DESC", ("symbol", "exit_reason"), ("closed_by",)),
    "signals": _List(
        "signals", "timestamp DESC", ("symbol", "outcome", "stage", "rule", "source"), ("id", "order_ref")
    ),
    "alarms": _List("alarms", "id DESC", ("type", "severity", "state", "subject")),
    "events": _List("events", "seq DESC", ("seq", "type", "symbol")),
}


def read_list(book: sqlite3.Connection, account: str, name: str, wanted: Mapping[str, str]) -> Listed:
    """The newest rows for which every filter holds; a filter that a list does not have is left out."""
    listed = LISTS[name]
    chosen = {column: wanted[column] for column in listed.filters if wanted.get(column)}
    where = "".join(f" AND {column} = ?" for column in chosen)
    values = (account, *chosen.values())
    total = int(book.execute(f"SELECT count(*) FROM {listed.view} WHERE account = ?{where}", values).fetchone()[0])  # noqa: S608  (our names)
    cursor = book.execute(
        f"SELECT * FROM {listed.view} WHERE account = ?{where} ORDER BY {listed.order} LIMIT ?",  # noqa: S608  (our names)
        (*values, MOST_ROWS),
    )
    columns = tuple(column[0] for column in cursor.description)
    return Listed(name, columns, tuple(tuple(row) for row in cursor), total, chosen, listed.ids)
