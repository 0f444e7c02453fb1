"""A row of a book that is changed or taken away behind the project's back is found, whichever it is."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest
from recorded_day import a_recorded_day

from trader.audit.besides import Knowledge, parts_of
from trader.audit.reading import SCHEMA
from trader.audit.rule import FAILS
from trader.audit.rules import RULES
from trader.audit.sound import sow
from trader.audit.watching import Watch

_MINUTES = 388
_ROWS_OF_A_COLUMN, _ROWS_TAKEN_AWAY = 2, 6

_NUMBERS, _MUCH = {"id", "seq", "one"}, 1_000_000
"""Numbers of rows: the next one is taken, and the database itself refuses to give it twice."""


class Change(NamedTuple):
    """One thing done to one row."""

    table: str
    column: str
    row: int
    statement: str

    @property
    def name(self) -> str:
        """What a person would call it."""
        return f"{self.table}.{self.column or 'row'} {self.row}"


def a_days_book(folder: str) -> sqlite3.Connection:
    """A day that was traded."""
    from pathlib import Path

    path = Path(folder) / "trading_data.db"
    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(a_recorded_day(path, patch, minutes=_MINUTES))
    return sqlite3.connect(path)


def a_small_book(_: str) -> sqlite3.Connection:
    """The one that violations are planted in: it has rows in tables that the day has not."""
    book = sqlite3.connect(":memory:", isolation_level=None)
    book.executescript(SCHEMA.read_text("utf-8"))
    for (trigger,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        book.execute(f"DROP TRIGGER {trigger}")
    book.executescript("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;")
    book.execute("DROP TABLE book_events")
    book.execute("CREATE TABLE book_events (account, seq, type, symbol, at_us, data, hash, PRIMARY KEY (account, seq))")
    sow(book)
    return book


@pytest.fixture(scope="module", params=[a_days_book, a_small_book], ids=["day", "small"])
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """In memory, without its guards, as it would be on a disk that somebody has written to."""
    made = request.param(str(tmp_path_factory.mktemp("book")))
    with closing(made), closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        made.backup(copy)
        guards = "SELECT type, name FROM sqlite_master WHERE type = 'trigger' OR (type = 'index' AND sql IS NOT NULL)"
        for kind, name in copy.execute(guards).fetchall():
            copy.execute(f"DROP {kind} {name}")
        yield copy


def violated(book: sqlite3.Connection, statement: str = "") -> list[str]:
    """Names of the rules that a book breaks to which something was done."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        book.backup(copy)
        copy.executescript(f"PRAGMA ignore_check_constraints = ON; {statement}")
        answers = Watch(copy, Knowledge(parts_of(book), {})).look(RULES)
    return [answer.rule.name for answer in answers if answer.verdict in FAILS]


def tables(book: sqlite3.Connection) -> dict[str, list[tuple[str, str]]]:
    """Every table, and its columns with their types."""
    found: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_ in book.execute(
        "SELECT t.name, c.name, c.type FROM sqlite_master t JOIN pragma_table_info(t.name) c "
        "WHERE t.type = 'table' AND t.name LIKE 'book!_%' ESCAPE '!' ORDER BY t.name, c.cid"
    ):
        found.setdefault(table, []).append((column, type_))
    return found


def keys(book: sqlite3.Connection, table: str) -> list[str]:
    """What names each row of a table: the columns of its primary key, as SQL."""
    columns = [row[0] for row in book.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table,))]
    told = " || ' AND ' || ".join(f"'{column} = ' || quote({column})" for column in columns)
    return [row[0] for row in book.execute(f"SELECT {told} FROM {table} ORDER BY {', '.join(columns)}")]  # noqa: S608


def changes(book: sqlite3.Connection) -> Iterator[Change]:
    """Each column of some row of each table changed, and some rows taken away."""
    chance = random.Random(11)
    for table, columns in tables(book).items():
        rows = keys(book, table)
        for column, type_ in columns:
            for row in chance.sample(range(len(rows)), min(_ROWS_OF_A_COLUMN, len(rows))):
                more = _MUCH if column in _NUMBERS else 1
                other = (
                    f"coalesce({column}, 0) + {more}"
                    if type_ in ("INTEGER", "REAL")
                    else f"coalesce({column}, '') || 'x'"
                )
                yield Change(table, column, row, f"UPDATE {table} SET {column} = {other} WHERE {rows[row]}")  # noqa: S608
        # the newest as well: no later one tells that it is missing
        for row in {*chance.sample(range(len(rows)), min(_ROWS_TAKEN_AWAY, len(rows))), len(rows) - 1} - {-1}:
            yield Change(table, "", row, f"DELETE FROM {table} WHERE {rows[row]}")  # noqa: S608


def test_the_book_is_sound(book: sqlite3.Connection) -> None:
    assert violated(book) == []


def test_whatever_is_changed_or_taken_away_is_found(book: sqlite3.Connection) -> None:
    assert [change.name for change in changes(book) if not violated(book, change.statement)] == []
