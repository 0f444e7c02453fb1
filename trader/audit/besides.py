"""What the audit knows besides the book: the schema as shipped, the exchange's hours, what may stay overnight."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from trader.audit.reading import SCHEMA

_NEW_YORK = ZoneInfo("America/New_York")
_OPENS, _CLOSES = time(9, 30), time(16, 0)
_EPOCH = date(1970, 1, 1)
_SATURDAY = 5
_MOST_DAYS = 700_000
"""A date may lie so far from 1970, either way."""

_PARTS = "SELECT type, name, sql FROM main.sqlite_master WHERE sql IS NOT NULL"

_TABLES = """
CREATE TEMP TABLE shipped (type, name, sql);
CREATE TEMP TABLE found (type, name, sql);
CREATE TEMP TABLE may_stay (account, symbol, stays);
CREATE TEMP TABLE hours (day INTEGER PRIMARY KEY, opens_us, closes_us);
"""

Overnight = Mapping[str, Mapping[str, bool]]
"""Account -> symbol -> whether it may be held over the close; `*` is every other symbol."""

Parts = tuple[tuple[str, str, str], ...]
"""Type, name and statement of everything in a schema."""


class Knowledge(NamedTuple):
    """What a book is compared with, and does not say itself."""

    shipped: Parts
    may_stay: Overnight


def as_shipped(may_stay: Overnight) -> Knowledge:
    """What this version of the program ships."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA.read_bytes().decode())
        return Knowledge(parts_of(fresh), may_stay)


def parts_of(book: sqlite3.Connection) -> Parts:
    """The schema of a book."""
    return tuple(book.execute(_PARTS))


def prepare(connection: sqlite3.Connection, knowledge: Knowledge) -> None:
    """Make its tables, with everything in them that no book changes."""
    connection.executescript(_TABLES)
    parts = [(type_, name, _spaced(sql)) for type_, name, sql in knowledge.shipped]
    connection.executemany("INSERT INTO shipped VALUES (?, ?, ?)", parts)
    stays = [(account, *stay) for account, symbols in knowledge.may_stay.items() for stay in symbols.items()]
    connection.executemany("INSERT INTO may_stay VALUES (?, ?, ?)", stays)


def tell(connection: sqlite3.Connection) -> None:
    """Add the book's own schema, and the exchange's hours of every day on which an entry was made.

    It closes early on some days, and on others is shut: that only the calendar knows.
    """
    connection.execute("DELETE FROM found")
    parts = [(type_, name, _spaced(sql)) for type_, name, sql in parts_of(connection)]
    connection.executemany("INSERT INTO found VALUES (?, ?, ?)", parts)
    days = connection.execute(
        "SELECT DISTINCT at_us / 86400000000 FROM told_orders WHERE purpose = 'entry' EXCEPT SELECT day FROM hours"
    ).fetchall()
    connection.executemany("INSERT INTO hours VALUES (?, ?, ?)", [_hours(number) for (number,) in days])


def _spaced(sql: str) -> str:
    """A migrated book has other line breaks, and no blank before what was added to a table."""
    sql = " ".join(sql.split())
    for sign in "(),":
        sql = sql.replace(f" {sign}", sign).replace(f"{sign} ", sign)
    return sql


def _hours(number: int) -> tuple[int, int | None, int | None]:
    """When it opens and closes; never on a day that no calendar has."""
    if abs(number) > _MOST_DAYS:
        return number, None, None
    day = _EPOCH + timedelta(days=number)
    if day.weekday() >= _SATURDAY:
        return number, None, None
    return number, _us(day, _OPENS), _us(day, _CLOSES)


def _us(day: date, clock: time) -> int:
    return int(datetime.combine(day, clock, _NEW_YORK).timestamp()) * 1_000_000
