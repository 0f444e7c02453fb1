"""The audit proves that it sees: a rule that would hold of anything was not checked."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from trader.audit.proof import blind
from trader.audit.reading import SCHEMA
from trader.audit.rule import Rule
from trader.audit.rules import RULES


@pytest.fixture(scope="module")
def book() -> Iterator[sqlite3.Connection]:
    """An empty book, as shipped."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA.read_text("utf-8"))
        yield connection


def test_every_rule_finds_what_is_planted_for_it_and_nothing_in_a_sound_book(book: sqlite3.Connection) -> None:
    assert blind(book, RULES) == {}


def test_names_are_given_once() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_that_finds_nothing_is_blind(book: sqlite3.Connection, rule: Rule) -> None:
    blinded = rule._replace(query=f"SELECT * FROM ({rule.query}) WHERE 0")  # noqa: S608
    assert rule.name in blind(book, [blinded])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_that_finds_fault_with_everything_is_blind(book: sqlite3.Connection, rule: Rule) -> None:
    assert rule.name in blind(book, [rule._replace(query="SELECT account, account, '' FROM book_accounts")])


def test_a_rule_whose_table_is_not_there_is_blind(book: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(":memory:")) as other:
        book.backup(other)
        other.execute("DROP TABLE book_signals")
        assert set(blind(other, RULES)) == {rule.name for rule in RULES}
