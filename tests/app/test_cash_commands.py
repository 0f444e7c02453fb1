"""`trader cash book`, `trader cash import` and `trader reconcile`."""

import json
from pathlib import Path

import pytest
from replayed_book import PretendedDaemon, ReplayedBook, a_replayed_book

STATEMENT = str(Path(__file__).parents[1] / "adapters" / "statement.csv")
AFTER_THE_BOOK_BEGAN = 7
"""Movements of the statement; one is dated before."""


@pytest.fixture
def book(tmp_path: Path) -> ReplayedBook:
    """A book that began on 2025-06-23."""
    return a_replayed_book(tmp_path, until="09:45")


def test_a_movement_is_asked_for_with_its_sign_and_kind(book: ReplayedBook) -> None:
    with PretendedDaemon(book, {"message": "booked"}) as daemon:
        answer = book.trader("cash", "book", "-12.50", "--kind", "fee", "--reason", "market data")
    assert answer.code == 0
    asked = daemon.asked[0]
    assert (asked["ask"], asked["amount_micros"], asked["kind"]) == ("cash", -12_500_000, "fee")
    assert asked["reason"] == "market data"


@pytest.mark.parametrize("wrong", [("many", "fee"), ("1", "gift"), ("nan", "fee")])
def test_what_is_no_amount_or_kind_is_not_asked_for(book: ReplayedBook, wrong: tuple[str, str]) -> None:
    amount, kind = wrong
    assert book.trader("cash", "book", amount, "--kind", kind, "--reason", "x").code == 2


def test_an_import_only_shows_what_it_would_book(book: ReplayedBook) -> None:
    with PretendedDaemon(book, {"message": "booked"}) as daemon:
        answer = book.trader("cash", "import", STATEMENT)
    assert answer.code == 5
    assert daemon.asked == []
    rows = answer.rows()
    assert [row["answer"] for row in rows].count("would be booked") == AFTER_THE_BOOK_BEGAN
    assert f"{AFTER_THE_BOOK_BEGAN} would be booked; nothing was done, add --yes" in answer.err
    assert "LEFT OUT, book it by hand: line 13: Deposits & Withdrawals, EUR 100" in answer.err


def test_a_statement_of_another_account_than_the_configured_one_is_refused(book: ReplayedBook) -> None:
    at_ibkr = '[feed]\nkind = "ibkr"\n[broker]\nkind = "ibkr"\n[ibkr]\naccount = "DU2000002"\n'
    book.config.write_text(f'mode = "paper"\n{book.config.read_text()}{at_ibkr}')
    with PretendedDaemon(book, {"message": "booked"}) as daemon:
        answer = book.trader("cash", "import", STATEMENT, "--yes")
    assert answer.code == 2
    assert "a statement of DU1000001, not of DU2000002" in answer.err
    assert daemon.asked == []


def test_what_is_dated_before_the_book_began_is_left_out(book: ReplayedBook) -> None:
    with PretendedDaemon(book, {"message": "booked"}) as daemon:
        rows = book.trader("cash", "import", STATEMENT, "--yes").rows()
    assert [row["answer"] for row in rows if row["date"] == "2025-06-20"] == [
        "left out: the account was opened on 2025-06-23"
    ]
    assert len(daemon.asked) == AFTER_THE_BOOK_BEGAN


def test_an_import_books_each_movement_by_its_name(book: ReplayedBook) -> None:
    with PretendedDaemon(book, {"message": "booked it"}) as daemon:
        answer = book.trader("cash", "import", STATEMENT, "--yes", "--json")
    assert answer.code == 0
    assert {row["answer"] for row in json.loads(answer.out)} == {
        "booked it",
        "left out: the account was opened on 2025-06-23",
    }
    assert len({str(asked["movement"]) for asked in daemon.asked}) == AFTER_THE_BOOK_BEGAN
    assert sum(int(str(asked["amount_micros"])) for asked in daemon.asked) == 9_754_870_000


def test_what_the_book_has_is_not_asked_for_again(book: ReplayedBook) -> None:
    with PretendedDaemon(book, {"message": "booked"}) as daemon:
        book.trader("cash", "import", STATEMENT, "--yes")
        names = [str(asked["movement"]) for asked in daemon.asked]
    for name in names:
        book.damage("INSERT INTO book_cash_movements VALUES ('paper', ?, 1)", name)
    answer = book.trader("cash", "import", STATEMENT)
    assert answer.code == 0
    assert [row["answer"] for row in answer.rows()].count("is booked already") == AFTER_THE_BOOK_BEGAN


def test_what_the_daemon_refuses_is_said_of_its_movement(book: ReplayedBook) -> None:
    with PretendedDaemon(book, {"message": "refused: no", "refused": True}):
        answer = book.trader("cash", "import", STATEMENT, "--yes")
    assert answer.code == 5
    assert [row["answer"] for row in answer.rows()].count("refused: no") == AFTER_THE_BOOK_BEGAN


def test_without_a_daemon_nothing_is_booked(book: ReplayedBook) -> None:
    assert book.trader("cash", "import", STATEMENT, "--yes").code == 7


def test_reconcile_says_that_the_two_agree(book: ReplayedBook) -> None:
    shown, piped, told = (
        book.trader("reconcile", terminal=True),
        book.trader("reconcile"),
        book.trader("reconcile", "--json"),
    )
    assert {shown.code, piped.code, told.code} == {0}
    assert "agree" in shown.out
    assert piped.rows() == json.loads(told.out) == []


def test_reconcile_shows_shares_and_cash_and_the_way_out(book: ReplayedBook) -> None:
    book.damage("INSERT INTO book_drift VALUES ('paper', 'JPM', 0, 7, 1750694400000000)")
    book.damage("INSERT INTO book_cash_drift VALUES ('paper', 100000000000, 99000000000, 1750694400000000)")
    with PretendedDaemon(book, {"market_time": "2025-06-23T16:00:00+00:00"}):
        answer, status = book.trader("reconcile"), book.trader("status")
    assert answer.code == status.code == 4
    shares, cash = answer.rows()
    assert (shares["what"], shares["book"], shares["broker"]) == ("JPM", "0", "7")
    assert "trader adopt JPM" in shares["way_out"]
    assert (cash["what"], cash["book"], cash["broker"]) == ("cash", "100000.0", "99000.0")
    assert cash["since"] == "2025-06-23T16:00:00+00:00"
    assert "`trader cash book -1000.00 --kind" in cash["way_out"]
    assert "the book has 100,000.00 USD and the broker 99,000.00" in status.err
