"""Many rows of a table are written by few statements, as each would be by one of its own."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import NOON, an_order

from trader.adapters.sqlite.checksums import differences
from trader.adapters.sqlite.database import connect
from trader.adapters.sqlite.queries import QUERIES, QUERIES_TOGETHER, ROWS_TOGETHER
from trader.adapters.sqlite.rows import to_us
from trader.adapters.sqlite.transaction import write
from trader.domain.events import JournalEntry, JournalType
from trader.domain.order import OrderEvent, PendingLock
from trader.services.ports import Commit, Entry, Release

_CASH = 1_000_000
_MANY = 2 * ROWS_TOGETHER + 3


@pytest.fixture
def book(tmp_path: Path) -> sqlite3.Connection:
    """A book of one account, in a transaction."""
    connection = connect(tmp_path / "book.db")
    connection.execute(QUERIES["insert_account"], ("paper", _CASH, _CASH, to_us(NOON), to_us(NOON)))
    connection.execute("BEGIN IMMEDIATE")
    return connection


def a_burst(rows: int = _MANY) -> Commit:
    """A commit of so many marks and events."""
    commit = Commit("paper", NOON, _CASH, _CASH)
    commit.marks = {f"S{number}": (number + 1, NOON) for number in range(rows)}
    commit.journal = [JournalEntry(JournalType.ALARM, NOON, f"S{number}", {"what": "x"}) for number in range(rows)]
    return commit


def test_no_row_of_a_burst_is_missing_or_moved(book: sqlite3.Connection) -> None:
    with closing(book):
        write(book, a_burst())
        marks = book.execute("SELECT symbol, price_micros FROM book_marks ORDER BY price_micros").fetchall()
        events = book.execute("SELECT seq, symbol FROM book_events ORDER BY seq").fetchall()
    assert marks == [(f"S{number}", number + 1) for number in range(_MANY)]
    assert events == [(number + 1, f"S{number}") for number in range(_MANY)]


def test_every_row_of_a_burst_is_written_with_its_checksum(book: sqlite3.Connection) -> None:
    with closing(book):
        for commit in (a_burst(), a_burst(), some_entries(), their_ends()):
            write(book, commit)
            assert [*differences(book, "paper")] == []


def test_a_burst_is_written_by_few_statements(book: sqlite3.Connection) -> None:
    said: list[str] = []
    with closing(book):
        book.set_trace_callback(said.append)
        write(book, a_burst())
    # a statement is said again for each row that it counts
    assert len({statement for statement in said if statement.startswith("INSERT INTO book_marks")}) == 2 + 3


def test_what_stands_already_is_replaced_by_a_burst(book: sqlite3.Connection) -> None:
    with closing(book):
        write(book, a_burst())
        again = a_burst()
        again.marks = dict.fromkeys(again.marks, (7, NOON))
        write(book, again)
        assert book.execute("SELECT DISTINCT price_micros, count(*) FROM book_marks").fetchall() == [(7, _MANY)]


def test_a_burst_with_one_row_that_cannot_be_is_refused(book: sqlite3.Connection) -> None:
    with closing(book):
        commit = a_burst()
        commit.marks["S40"] = (0, NOON)  # no price
        with pytest.raises(sqlite3.IntegrityError):
            write(book, commit)
        assert book.execute("SELECT count(*) FROM book_marks WHERE price_micros > 32").fetchone() == (0,)


def test_every_order_and_lock_of_a_burst_gets_its_own_end(book: sqlite3.Connection) -> None:
    with closing(book):
        write(book, some_entries())
        write(book, their_ends())
        orders = book.execute("SELECT symbol, filled, state FROM book_orders ORDER BY symbol").fetchall()
        locks = book.execute("SELECT symbol, evidence, reserved_micros FROM book_locks ORDER BY symbol").fetchall()
        reserved = book.execute("SELECT reserved_micros FROM book_accounts").fetchone()
    assert orders == [(f"S{number:03}", number + 1, "filled") for number in range(_MANY)]
    assert locks == [(f"S{number:03}", f"filled {number}", 0) for number in range(_MANY)]
    assert reserved == (0,)


def some_entries() -> Commit:
    """A commit of orders, each with its lock."""
    commit = Commit("paper", NOON, _CASH, _CASH)
    for number in range(_MANY):
        order = an_order(f"S{number:03}", number + 1, ref=f"paper-1-{number:04}")
        lock = PendingLock(order.ref, "paper", order.symbol, order.symbol, 1, 10, takes_slot=True, acquired_at=NOON)
        commit.entries.append(Entry(lock, order, JournalEntry(JournalType.ORDER_CREATED, NOON, order.symbol, {})))
    return commit


def their_ends() -> Commit:
    """A commit in which all of them are filled."""
    commit = Commit("paper", NOON, _CASH, _CASH)
    for number in range(_MANY):
        order = an_order(f"S{number:03}", number + 1, ref=f"paper-1-{number:04}")
        commit.orders[order.ref] = order.after(OrderEvent.FILLED, NOON, order.quantity)
        commit.releases.append(Release(order.ref, NOON, f"filled {number}"))
    return commit


@pytest.mark.parametrize("name", sorted(QUERIES_TOGETHER))
def test_the_statement_of_a_burst_takes_all_values_of_its_rows(name: str) -> None:
    assert QUERIES_TOGETHER[name].count("?") == ROWS_TOGETHER * values_of(QUERIES[name])


def values_of(statement: str) -> int:
    """How many a statement takes: as many as stand there, or the highest of their numbers."""
    numbers = [int(number) for number in re.findall(r"\?(\d+)", statement)]
    return max(numbers, default=statement.count("?"))
