"""`trader audit`: what it says of a sound book, of one that is not, and of one that it cannot look at."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from replayed_book import ReplayedBook, a_replayed_book, trader

from trader.audit.audit import audit, fails, proven_look, worst
from trader.audit.besides import as_shipped
from trader.audit.reading import CannotCheck, open_read_only, version_of
from trader.audit.rule import FAILS, Answer, Finding, Named, Verdict
from trader.audit.rules import EVERY_RULE, RULES
from trader.audit.watching import Watch


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
    assert looked.keys() == {rule.name for rule in EVERY_RULE}
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
    told = {answer[1:] for answer in answers(book).values()}
    assert told == {(Verdict.COULD_NOT_CHECK, 0, (), "no such column: data")}
    assert book.trader("audit").code == 4


def test_an_index_that_does_not_have_the_rows_of_its_table_is_found(book: ReplayedBook) -> None:
    """Whoever asked by it would not see a row that is there."""
    with closing(sqlite3.connect(book.db, isolation_level=None)) as connection:
        index = connection.execute("SELECT * FROM sqlite_master WHERE name = 'orders_by_time'").fetchone()
        connection.execute("UPDATE book_orders SET created_us = created_us + 1")
        connection.executescript("PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'orders_by_time'")
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute("UPDATE book_orders SET created_us = created_us - 1")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)
    found = answers(book)
    assert [name for name, answer in found.items() if answer.verdict in FAILS] == ["file_is_sound"]
    assert "missing from index orders_by_time" in found["file_is_sound"].findings[0].said
    assert book.trader("audit").code == 4


def test_a_time_that_no_calendar_has_is_outside_every_session(book: ReplayedBook) -> None:
    for at_us, which in ((9 * 10**18, "max"), (-9 * 10**18, "min")):
        book.damage(
            f"UPDATE book_events SET at_us = {at_us} WHERE seq = (SELECT {which}(seq) FROM book_events "  # noqa: S608
            "WHERE type = 'order_created' AND json_extract(data, '$.purpose') = 'entry')"
        )
    found = answers(book)["no_entry_outside_session"]
    assert found.verdict is Verdict.VIOLATED
    assert len(found.findings) == 2


def test_a_rule_of_which_the_query_fails_was_not_checked_and_the_others_were(book: ReplayedBook) -> None:
    fails = RULES[0]._replace(query="SELECT missing FROM told_orders")
    advice = RULES[0]._replace(query="SELECT 'paper', 'X1', 'is so'", named=Named.ROW, is_advice=True)
    with closing(open_read_only(book.db)) as connection:
        fault, warning = Watch(connection, as_shipped({})).look([fails, advice])
    assert fault == Answer(fails, Verdict.COULD_NOT_CHECK, 0, (), "no such column: missing")
    assert warning == Answer(advice, Verdict.WARNING, 9, (Finding("paper", "X1", "is so", ""),))


def test_no_book_is_no_sound_book(book: ReplayedBook) -> None:
    answer = trader("audit", "--config", str(book.config), "--db", str(book.db.with_name("nowhere.db")))
    assert answer.code == 4
    assert "could not check" in answer.err
    assert f"there is no book at {book.db.with_name('nowhere.db')}; name one with --db" in answer.err


def test_a_warning_does_not_fail(book: ReplayedBook) -> None:
    advice = answers(book)["capital_in_use"]
    assert advice.looked_at == 1
    assert worst([advice._replace(verdict=Verdict.WARNING)]) not in FAILS


def test_a_book_may_be_looked_at_from_another_thread_than_it_was_opened_in(book: ReplayedBook) -> None:
    with closing(open_read_only(book.db)) as connection, ThreadPoolExecutor(1) as pool:
        assert pool.submit(version_of, connection).result() == version_of(connection)


def test_it_changes_nothing(book: ReplayedBook) -> None:
    before = book.db.read_bytes()
    audit(book.db, {})
    assert book.db.read_bytes() == before


def test_one_word_is_said_for_all_answers() -> None:
    order = (Verdict.VIOLATED, Verdict.COULD_NOT_CHECK, Verdict.WARNING, Verdict.HOLDS)
    for place, verdict in enumerate(order):
        given = [Answer(RULES[0], better, 0) for better in reversed(order[place:])]
        assert worst(given) is verdict
        assert fails(given) is (verdict in FAILS)
    assert worst([]) is Verdict.HOLDS


def test_what_a_blind_rule_finds_counts_and_what_it_does_not_find_does_not(book: ReplayedBook) -> None:
    rule = RULES[0]
    blind = rule._replace(name="blind", query=f"SELECT * FROM ({rule.query}) WHERE 0")  # noqa: S608
    mad = rule._replace(name="mad", query="SELECT account, account, 'it is there' FROM book_accounts")
    with closing(open_read_only(book.db)) as connection:
        sound, unproven, found = proven_look(Watch(connection, as_shipped({})), (rule, blind, mad))
    assert (sound.verdict, sound.fault) == (Verdict.HOLDS, "")
    assert unproven.verdict is Verdict.COULD_NOT_CHECK
    assert unproven.fault == "it is blind: it does not find a violation that was planted for it"
    assert (found.verdict, found.fault) == (Verdict.VIOLATED, "")
    assert found.findings[0][:3] == ("paper", "paper", "it is there")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM book_events WHERE seq = 5", "event 5 is missing"),
        ("UPDATE book_events SET data = json_set(data, '$.a', 1) WHERE seq = 6", "it is not what was written"),
    ],
)
def test_a_journal_that_was_changed_is_found_once_and_where(book: ReplayedBook, statement: str, said: str) -> None:
    book.damage(statement)
    [finding] = [one for answer in answers(book).values() for one in answer.findings if one.said == said]
    assert (finding.account, finding.id) == ("paper", "6")


def test_an_order_is_the_story_of_its_symbol(book: ReplayedBook) -> None:
    with closing(sqlite3.connect(book.db)) as connection:
        [(ref, symbol)] = connection.execute(
            "SELECT order_ref, symbol FROM book_orders ORDER BY created_us DESC LIMIT 1"
        ).fetchall()
    book.damage(
        f"INSERT INTO book_drift (account, symbol, book, broker, since_us) VALUES ('paper', '{symbol}', 0, 1, 1)"  # noqa: S608
    )
    book.damage("INSERT INTO book_drift (account, symbol, book, broker, since_us) VALUES ('paper', 'NONE', 0, 1, 1)")
    stories = {finding.id: finding.why for finding in answers(book)["broker_agrees"].findings}
    assert stories == {symbol: ref, "NONE": ""}


def test_a_signal_is_its_own_story_and_an_account_has_none(book: ReplayedBook) -> None:
    first = "(SELECT min(rowid) FROM book_signals WHERE outcome = 'ordered')"
    book.damage(f"UPDATE book_signals SET probability = 0.123 WHERE rowid = {first}")  # noqa: S608
    book.damage("UPDATE book_accounts SET signals_seen = signals_seen + 1000")
    found = answers(book)
    [signal] = found["signals_have_fates"].findings
    assert signal.why == signal.id != ""
    [account] = found["signals_are_kept"].findings
    assert (account.id, account.why) == ("paper", "")


def test_why_a_file_cannot_be_read_is_said(tmp_path: Path) -> None:
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"no book" * 1000)
    with pytest.raises(CannotCheck, match=r"junk\.db cannot be read: file is not a database"):
        open_read_only(junk)


def test_a_book_of_another_schema_is_not_looked_at_and_the_way_out_is_said(book: ReplayedBook) -> None:
    shipped = int(book.one("PRAGMA user_version"))
    older = "start the trader once, which copies the book and brings it up to date"
    for schema, why in ((shipped + 1, "it was written by a newer version; ask that one"), (1, older)):
        with closing(sqlite3.connect(book.db)) as connection:
            connection.execute(f"PRAGMA user_version = {schema}")
        answer = book.trader("audit")
        assert (answer.code, answer.out) == (4, "")
        said = f"trader: could not check: {book.db} has schema {schema}, and the rules are of {shipped}: {why}"
        assert said in answer.err.splitlines()


def test_a_file_without_a_schema_is_looked_at(book: ReplayedBook) -> None:
    """What is missing there each rule says for itself."""
    with closing(sqlite3.connect(book.db)) as connection:
        connection.execute("PRAGMA user_version = 0")
    with closing(open_read_only(book.db)) as opened:
        assert opened.execute("SELECT count(*) FROM book_stamp").fetchone() == (1,)
