"""`trader audit`: what it says of a sound book, of one that is not, and of one that it cannot look at."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from replayed_book import ReplayedBook, a_replayed_book, trader

from trader.audit.audit import audit, worst
from trader.audit.rule import FAILS, Answer, Verdict
from trader.audit.rules import RULES


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """A replayed day, from the open to the close."""
    return a_replayed_book(tmp_path_factory.mktemp("day"))


@pytest.fixture
def book(day: ReplayedBook, tmp_path: Path) -> ReplayedBook:
    """The same, to be damaged."""
    return day.copy_to(tmp_path / "own")


def answers(book: ReplayedBook) -> dict[str, Answer]:
    """By rule."""
    return {answer.rule.name: answer for answer in audit(book.db, {})}


def test_a_replayed_day_is_sound(book: ReplayedBook) -> None:
    assert {name: answer for name, answer in answers(book).items() if answer.verdict in FAILS} == {}


def test_every_rule_has_looked_at_something_in_a_replayed_day(book: ReplayedBook) -> None:
    looked = {name: answer.looked_at for name, answer in answers(book).items()}
    assert looked.keys() == {rule.name for rule in RULES}
    assert looked["no_negative_cash"] == 9


def test_a_violation_is_named_with_its_story(book: ReplayedBook) -> None:
    book.damage(
        "UPDATE book_events SET data = json_set(data, '$.quantity', 10000000) "
        "WHERE seq = (SELECT min(seq) FROM book_events WHERE type = 'fill')"
    )
    answer = book.trader("audit", "--json")
    assert answer.code == 4
    told = json.loads(answer.out)
    assert told["verdict"] == Verdict.VIOLATED
    [cash] = [rule for rule in told["rules"] if rule["rule"] == "no_negative_cash"]
    assert cash["verdict"] == Verdict.VIOLATED
    assert book.trader("why", cash["findings"][0]["why"]).code == 0


def test_what_cannot_be_read_was_not_checked_and_fails(book: ReplayedBook) -> None:
    with closing(sqlite3.connect(book.db)) as connection:
        connection.executescript("DROP VIEW events; ALTER TABLE book_events RENAME COLUMN data TO facts")
    assert {answer.verdict for answer in answers(book).values()} == {Verdict.COULD_NOT_CHECK}
    assert book.trader("audit").code == 4


def test_no_book_is_no_sound_book(book: ReplayedBook) -> None:
    answer = trader("audit", "--config", str(book.config), "--db", str(book.db.with_name("nowhere.db")))
    assert answer.code == 4
    assert "could not check" in answer.err


def test_a_warning_does_not_fail(book: ReplayedBook) -> None:
    advice = answers(book)["capital_in_use"]
    assert advice.looked_at == 1
    assert worst([advice._replace(verdict=Verdict.WARNING)]) not in FAILS


def test_it_changes_nothing(book: ReplayedBook) -> None:
    before = book.db.read_bytes()
    audit(book.db, {})
    assert book.db.read_bytes() == before
