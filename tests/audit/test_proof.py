"""The audit proves that it sees: a rule that would hold of anything was not checked."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from trader.audit.besides import as_shipped
from trader.audit.proof import blind
from trader.audit.reading import SCHEMA
from trader.audit.records import SCHEMA_AS_SHIPPED
from trader.audit.rule import Rule, Verdict
from trader.audit.rules import EVERY_RULE
from trader.audit.watching import Watch


@pytest.fixture(scope="module")
def book() -> Iterator[sqlite3.Connection]:
    """An empty book, as shipped."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA.read_text("utf-8"))
        yield connection


def test_every_rule_finds_what_is_planted_for_it_and_nothing_in_a_sound_book(book: sqlite3.Connection) -> None:
    assert blind(book, EVERY_RULE) == {}


def test_names_are_given_once() -> None:
    assert len({rule.name for rule in EVERY_RULE}) == len(EVERY_RULE)


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.name)
def test_a_rule_that_finds_nothing_is_blind(book: sqlite3.Connection, rule: Rule) -> None:
    blinded = rule._replace(query=f"SELECT * FROM ({rule.query}) WHERE 0")  # noqa: S608
    assert rule.name in blind(book, [blinded])


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.name)
def test_a_rule_that_finds_fault_with_everything_is_blind(book: sqlite3.Connection, rule: Rule) -> None:
    assert rule.name in blind(book, [rule._replace(query="SELECT account, account, '' FROM book_accounts")])


def test_what_a_rule_finds_in_a_sound_book_is_said(book: sqlite3.Connection) -> None:
    mad = EVERY_RULE[0]._replace(query="SELECT 'one', 'X1', 'it is there'")
    assert blind(book, [mad]) == {mad.name: "it finds fault with a sound book: X1 it is there"}


def test_a_rule_that_misses_one_of_what_is_planted_for_it_is_blind(book: sqlite3.Connection) -> None:
    rule, nothing = EVERY_RULE[0], "UPDATE book_stamp SET epoch = epoch"
    for plants in ((nothing, *rule.plants), (*rule.plants, nothing), (nothing,), ()):
        told = blind(book, [rule._replace(plants=plants)])
        assert told == {rule.name: "it does not find a violation that was planted for it"}


def test_why_a_query_cannot_be_asked_is_said(book: sqlite3.Connection) -> None:
    """Also where it fails of what was planted alone."""
    fails = EVERY_RULE[0]._replace(query="SELECT json(missing) FROM told_orders")
    assert blind(book, [fails]) == {fails.name: "its query fails on a small book: no such column: missing"}
    plant = "UPDATE book_accounts SET journal_events = -1"
    later = EVERY_RULE[0]._replace(
        query="SELECT json(account) FROM book_accounts WHERE journal_events = -1", plants=(plant,)
    )
    assert blind(book, [later]) == {later.name: "its query fails on a small book: malformed JSON"}


def test_a_rule_whose_table_is_not_there_is_blind(book: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(":memory:")) as other:
        book.backup(other)
        other.execute("DROP TABLE book_signals")
        told = "the book's tables are not those that it knows: no such table: book_signals"
        assert blind(other, EVERY_RULE) == dict.fromkeys((rule.name for rule in EVERY_RULE), told)


def _set_otherwise(sql: str) -> str:
    for one, other in (("\n    ", "\n\n"), (",\n", " , "), ("(", " ( "), (")", " ) ")):
        sql = sql.replace(one, other)
    return sql


def test_a_schema_is_as_shipped_whatever_its_white_space(book: sqlite3.Connection) -> None:
    """A book that was brought up to date has other breaks of lines, and none before what was added to a table."""
    shipped = as_shipped({})
    other = tuple((type_, name, _set_otherwise(sql)) for type_, name, sql in shipped.shipped)
    assert other != shipped.shipped
    [answer] = Watch(book, shipped._replace(shipped=other)).look([SCHEMA_AS_SHIPPED])
    assert answer.verdict is Verdict.HOLDS


def test_the_proof_leaves_nothing_on_the_disk(
    book: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert blind(book, EVERY_RULE[:1]) == {}
    as_shipped({})
    assert list(tmp_path.iterdir()) == []
