"""Signals and inputs are followed, and the old ones taken again in turn; what was found in them stays found."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from small_book import a_small_book

from trader.audit import checksums
from trader.audit.besides import as_shipped
from trader.audit.checksums import ROWS_AS_WRITTEN
from trader.audit.watching import Watch


@pytest.fixture
def book() -> Iterator[sqlite3.Connection]:
    """A small sound book."""
    with closing(a_small_book()) as sound:
        yield sound


def found(watch: Watch) -> list[str]:
    [answer] = watch.look([ROWS_AS_WRITTEN])
    assert not answer.fault
    return [finding.id for finding in answer.findings]


def test_what_was_found_of_an_input_is_found_once_and_at_every_look(book: sqlite3.Connection) -> None:
    book.execute("UPDATE book_inputs SET data = 'x' WHERE seq = 1")
    watch = Watch(book, as_shipped({}))
    assert [found(watch), found(watch)] == [["book_inputs 1"], ["book_inputs 1"]]


def test_an_input_that_comes_later_is_looked_at(book: sqlite3.Connection) -> None:
    watch = Watch(book, as_shipped({}))
    assert found(watch) == []
    book.execute("INSERT INTO book_inputs (seq, account, at_us, kind, data) VALUES (3, 'one', 1, 'Tick', '{}')")
    assert found(watch) == ["book_inputs 3"]


def test_an_old_signal_is_looked_at_again_in_its_turn(
    book: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six of them, two with each look, and then from the first on."""
    monkeypatch.setattr(checksums, "AGAIN", 2)
    watch = Watch(book, as_shipped({}))
    assert found(watch) == []
    book.execute("UPDATE book_signals SET source = 'me' WHERE account = 'two' AND id = 'S-0001'")
    told = ["book_signals S-0001"]
    assert [found(watch) for _ in range(5)] == [[], [], told, told, told]
    book.execute("UPDATE book_signals SET source = 'momentum' WHERE account = 'two' AND id = 'S-0001'")
    assert [found(watch) for _ in range(2)] == [[], []]


def test_what_is_put_right_is_found_no_more(book: sqlite3.Connection) -> None:
    watch = Watch(book, as_shipped({}))
    book.execute("UPDATE book_marks SET price_micros = price_micros + 1")
    assert found(watch) == ["book_marks AAPL"]
    book.execute("UPDATE book_marks SET price_micros = price_micros - 1")
    assert found(watch) == []


def test_so_many_rows_are_told_to_have_been_looked_at_as_there_are(book: sqlite3.Connection) -> None:
    [answer] = Watch(book, as_shipped({})).look([ROWS_AS_WRITTEN])
    tables = book.execute(
        "SELECT t.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE c.name = 'checksum'"
    ).fetchall()
    assert len(tables) == 10
    rows = sum(book.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for (table,) in tables)  # noqa: S608
    assert answer.looked_at == rows
