"""`trader ledger`: what is held, what is armed, what the broker has; a gap is a finding."""

import json
from pathlib import Path

import pytest
from replayed_book import PretendedDaemon, ReplayedBook, a_replayed_book

from trader.adapters.fingerprint import code_fingerprint

SCANNED_AT = "2025-06-23T16:20:00+00:00"


@pytest.fixture
def book(tmp_path: Path) -> ReplayedBook:
    """185 TQQQ are held; a book that is traded on, for all that the reader knows."""
    book = a_replayed_book(tmp_path, until="12:20")
    book.damage("UPDATE book_stamp SET kind = 'simulated'")
    return book


def a_daemon(book: ReplayedBook, unarmed: dict[str, str] | None = None, **armed: int) -> PretendedDaemon:
    """One whose last scan has armed this."""
    scan = {"at": SCANNED_AT, "armed": armed, "unarmed": unarmed or {}}
    return PretendedDaemon(book, {"scan": scan, "code": code_fingerprint()})


def test_all_that_is_held_is_armed(book: ReplayedBook) -> None:
    with a_daemon(book, TQQQ=185):
        answer, shown, status = book.trader("ledger"), book.trader("ledger", terminal=True), book.trader("status")
    assert answer.code == status.code == 0
    assert answer.out.splitlines()[:2] == ["consistency\tConsistent", f"scanned_at\t{SCANNED_AT}"]
    assert "TQQQ\t185\t185\t" in answer.out
    assert f"Exits: Consistent: 1 of 1 positions watched, last scan {SCANNED_AT}" in " ".join(shown.out.split())
    assert "exits\tConsistent" in status.out


@pytest.mark.parametrize(
    ("armed", "verdict"), [({}, "Critical"), ({"TQQQ": 184}, "Partial"), ({"TQQQ": 185, "AAPL": 3}, "Partial")]
)
def test_a_planted_gap_is_a_finding(book: ReplayedBook, armed: dict[str, int], verdict: str) -> None:
    with a_daemon(book, {"TQQQ": "no bar since 16:01 UTC"}, **armed):
        answer, status = book.trader("ledger", "--json"), book.trader("status")
    assert answer.code == status.code == 4
    assert json.loads(answer.out)["consistency"] == verdict
    [gap] = json.loads(answer.out)["gaps"]
    assert gap["held"] != gap["armed"]
    assert f"WARNING: {gap['symbol']} {gap['held']} held, exits of {gap['armed']} armed" in status.err


@pytest.mark.parametrize("shares", ["185", "many", None, [185], 185.5, float("inf")], ids=str)
def test_what_is_no_number_of_shares_arms_nothing(book: ReplayedBook, shares: object) -> None:
    with PretendedDaemon(book, {"scan": {"armed": {"TQQQ": shares}}}):
        answer = book.trader("ledger")
    assert answer.code == 4
    assert "consistency\tCritical" in answer.out


def test_without_a_daemon_nothing_is_armed(book: ReplayedBook) -> None:
    answer = book.trader("ledger")
    assert answer.code == 4
    assert "consistency\tCritical" in answer.out
    assert "NOT WATCHED: TQQQ 185 held, 0 armed: no daemon watches it" in answer.err


@pytest.mark.parametrize(("book_id", "verdict"), [("DU1000001", "Consistent"), ("paper", "Critical")])
def test_without_a_daemon_a_stop_at_a_broker_that_outlives_it_counts(
    book: ReplayedBook, book_id: str, verdict: str
) -> None:
    book.damage(
        "INSERT INTO book_orders SELECT order_ref || 'x', account, symbol, 'SELL', 185, 0, NULL, 'working', "
        "'protection', 'stop', '', created_us, updated_us, 1000000, 'a pair', NULL, 0 FROM book_orders "
        "WHERE symbol = 'TQQQ' LIMIT 1"
    )
    book.damage("UPDATE book_stamp SET kind = 'paper', book_id = ?", book_id)
    answer = book.trader("ledger")
    assert f"consistency\t{verdict}" in answer.out


def test_what_book_and_broker_do_not_agree_on_is_shown_with_the_way_out(book: ReplayedBook) -> None:
    book.damage("INSERT INTO book_drift VALUES ('paper', 'PSQ', 0, 40, 1750690800000000)")
    with a_daemon(book, TQQQ=185):
        answer, status = book.trader("ledger", "--json"), book.trader("status")
    assert answer.code == status.code == 4
    [row] = json.loads(answer.out)["drift"]
    assert (row["symbol"], row["book"], row["broker"]) == ("PSQ", 0, 40)
    assert row["what"] == "40 foreign shares, which are left alone"
    assert "`trader adopt PSQ --price USD` takes them in" in row["way_out"]
    assert "WARNING: PSQ book 0, broker 40" in status.err


def test_80_columns_are_enough_for_the_ledger(book: ReplayedBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    book.damage("INSERT INTO book_drift VALUES ('paper', 'PSQ', 0, 40, 1750690800000000)")
    with a_daemon(book, TQQQ=185):
        shown = book.trader("ledger", terminal=True)
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "185" in shown.out
    assert "PSQ" in shown.out


def test_adopting_asks_the_daemon_with_the_price_in_micros(book: ReplayedBook) -> None:
    with PretendedDaemon(book, {"message": "adopted 40 PSQ"}) as daemon:
        answer = book.trader("adopt", "psq", "--price", "39.5", "--reason", "bought by hand")
    assert answer.code == 0
    assert {key: daemon.asked[0][key] for key in ("ask", "target", "price_micros")} == {
        "ask": "adopt",
        "target": "PSQ",
        "price_micros": 39_500_000,
    }
    assert book.trader("adopt", "PSQ", "--price", "cheap", "--reason", "x").code == 2


def test_missing_shares_are_adjusted_with_a_price(book: ReplayedBook) -> None:
    with PretendedDaemon(book, {"message": "booked 5 TQQQ as sold"}) as daemon:
        answer = book.trader("adjust", "--missing", "tqqq", "--price", "80", "--reason", "sold by hand")
    assert answer.code == 0
    asked = daemon.asked[0]
    assert (asked["ask"], asked["target"], asked["price_micros"]) == ("adjust", "TQQQ", 80_000_000)
    assert book.trader("adjust", "--missing", "TQQQ", "--reason", "x").code == 2
    assert book.trader("adjust", "--missing", "TQQQ", "--execution", "1", "--reason", "x").code == 2


@pytest.mark.parametrize("nonsense", ["soon", "2025-06-23T12:00:00", 7, None])
def test_a_market_time_that_is_none_is_not_believed(book: ReplayedBook, nonsense: object) -> None:
    with PretendedDaemon(book, {"market_time": nonsense, "scan": {"armed": {"TQQQ": 185}}, "code": code_fingerprint()}):
        assert book.trader("status").code == 0
