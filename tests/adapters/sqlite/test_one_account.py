"""Two accounts in one book: whoever is bound to one of them neither sees nor changes a row of the other."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from inspect import getmembers, isfunction, signature
from pathlib import Path

import pytest
from builders import CONFIGURATION, a_machine

from trader.adapters.sqlite.database import InlineWriter, connect, read_only
from trader.adapters.sqlite.journal import BEGINNING, Finding, read_journal
from trader.adapters.sqlite.one_account import (
    REFUSAL,
    REFUSAL_OF_THE_BOOK,
    AccountWriter,
    of_accounts,
    refuse_others,
    show_only,
)
from trader.adapters.sqlite.queries import QUERIES
from trader.adapters.sqlite.recorder import SqliteRecorder
from trader.adapters.sqlite.store import SqliteStore
from trader.adapters.sqlite.transaction import link
from trader.app.cli.context import account_of
from trader.app.settings import load_settings
from trader.domain.errors import BookRefused
from trader.domain.events import JournalEntry
from trader.domain.reference import is_order_ref
from trader.services.draft import Draft

OURS, THEIRS = "large", "tiny"

OF_NO_ACCOUNT = {"stamp", "insert_stamp", "begin_epoch", "missing_inputs"}
"""What the book is itself, and which of its numbers nobody has."""
OF_THE_WHOLE_BOOK = {*OF_NO_ACCOUNT, "broker_accounts"}
"""What a book is, and whose: this alone is asked of all that have rows in it."""

RARE = {
    "book_drift": "VALUES (?, 'QQQ', 1, 2, 3)",
    "book_cash_drift": "VALUES (?, 1, 2, 3)",
    "book_cash_movements": "VALUES (?, 'dividend 1', 3)",
    "book_alarms": "VALUES (?1, 1, 'drift', 'critical', 'QQQ', 'x', 1, 1, 1, NULL, NULL, 0), "
    "(?1, 2, 'audit_gone', 'info', 'x', 'x', 1, 1, 1, NULL, NULL, 0)",
    "book_deliveries": "(account, alarm, channel, count, at_us) VALUES (?, 1, 'mail', 1, 3)",
    "book_commissions": "VALUES (?, 'x', 1, 3)",
    "book_inbox": "VALUES (?, 'signals.jsonl', 1, 1, 0)",
    "book_inputs": "(account, at_us, kind, data) VALUES (?, 1, 'BarTime', '{}')",
    "book_halts": "(account, scope, target, reason, since_us) VALUES (?, 'all', '', 'CPI', 3)",
    "book_latches": "VALUES (NULL, ?1, 'day_loss', 'account', '', 'x', 3, 3, '{}', 'x', 0, 3, NULL, NULL, NULL), "
    "(NULL, ?1, 'audit', 'account', '', 'x', 3, 3, '{}', 'x', 0, 3, 4, 'me', 'seen')",
    "book_events": "VALUES (?1, 1000000, 'identity_broken', 'QQQ', 4, '{}', hex(zeroblob(32))), "
    """(?1, 1000001, 'order_state', 'QQQ', 4, '{"execution_id": "x", "beyond": 5}', hex(zeroblob(32))), """
    """(?1, 1000002, 'breaker_cleared', '', 4, '{"breaker": "costs", "from_micros": 5}', hex(zeroblob(32)))""",
}
"""Rows that the day below has not written."""


@pytest.fixture
async def shared(tmp_path: Path) -> Path:
    """A book in which both have traded alike: a round trip, a position that is held, an entry that works, a refusal."""
    for account in (OURS, THEIRS):
        async with a_machine(tmp_path, account={"name": account}) as market:
            await market.bar({"JD": 0.9})
            await market.bar({"JD": 0.5, "QQQ": 0.8})
            await market.bar({"META": 0.9})
            await market.bar()
            await market.bar({"JD": 0.9})
            await market.submit("JD", 2.0)
    path = tmp_path / "trading_data.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as book:
        for table, values in RARE.items():
            book.executemany(f"INSERT INTO {table} {values}", [(OURS,), (THEIRS,)])
    return path


@pytest.fixture
def unguarded(shared: Path) -> Iterator[sqlite3.Connection]:
    """The same book without the schema's own guards: what is refused now is refused by the binding."""
    with closing(sqlite3.connect(shared, isolation_level=None)) as book:
        for (name,) in book.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            book.execute(f"DROP TRIGGER {name}")
        yield book


def rows_of(book: sqlite3.Connection, account: str) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: book.execute(f"SELECT * FROM main.{table} WHERE account = ? ORDER BY 1, 2", (account,)).fetchall()  # noqa: S608  (our names)
        for table, _ in of_accounts(book, "'table'")
    }


def test_both_have_rows_in_every_table(unguarded: sqlite3.Connection) -> None:
    """Without them the rules below would say nothing."""
    assert all(rows_of(unguarded, OURS).values())
    assert all(rows_of(unguarded, THEIRS).values())
    tables = {row[0] for row in unguarded.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {*rows_of(unguarded, OURS), "book_stamp"}


# what is written


def test_every_reference_and_every_event_names_its_account(shared: Path) -> None:
    """The reference travels to the broker; the account is part of what an event's hash covers."""
    with closing(read_only(shared)) as book:
        orders = book.execute("SELECT order_ref, account FROM book_orders").fetchall()
        assert {account for _, account in orders} == {OURS, THEIRS}
        assert [tuple(row) for row in orders if not is_order_ref(*row)] == []
        assert not [ref for ref, account in orders if is_order_ref(ref, OURS if account == THEIRS else THEIRS)]
        for account, other in ((OURS, THEIRS), (THEIRS, OURS)):
            findings: list[Finding] = []
            first = next(read_journal(book, account, findings))
            row = book.execute(
                "SELECT data, hash FROM book_events WHERE account = ? AND seq = 1", (account,)
            ).fetchone()
            entry = JournalEntry(first.type, first.at, first.symbol, {})
            assert link(BEGINNING, account, entry, row["data"]).hash == row["hash"]
            assert link(BEGINNING, other, entry, row["data"]).hash != row["hash"]


# statements


def test_every_statement_names_the_account() -> None:
    without_comments = {name: statement.partition("\n--")[0] for name, statement in QUERIES.items()}
    assert {name for name, statement in without_comments.items() if "account" not in statement} == OF_NO_ACCOUNT


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, statement in QUERIES.items()
        if statement.startswith(("UPDATE", "DELETE")) and name not in OF_NO_ACCOUNT
    ],
)
def test_every_change_is_of_one_account(name: str) -> None:
    _, _, condition = QUERIES[name].partition("WHERE ")
    assert re.search(r"\baccount = (\?|now\.column\d)", condition)
    assert " OR " not in condition


@pytest.mark.parametrize("name", [name for name, statement in QUERIES.items() if statement.startswith("INSERT")])
def test_every_new_row_has_an_account(name: str) -> None:
    columns, _, then = QUERIES[name].partition("VALUES")
    assert name in OF_THE_WHOLE_BOOK or re.search(r"[( ]account,", columns)
    assert "ON CONFLICT" not in then or "ON CONFLICT (account" in then


def asked(book: sqlite3.Connection, name: str) -> list[tuple[object, ...]]:
    [execution] = book.execute(
        "SELECT execution_id FROM book_fills WHERE account = ? ORDER BY id LIMIT 1", (OURS,)
    ).fetchone()
    more: dict[str, tuple[object, ...]] = {
        "booked": (execution,),
        "in_position_and_lots": ("QQQ",),
        "fill_number": (execution,),
        "moved": ("dividend 1",),
        "ended_orders": (0,),
        "openings_since": (0,),
        "entered_since": (0,),
        "refusals": (0, 2**62),
    }
    if ":account" in QUERIES[name]:
        known = {"account": OURS, "type": "drift", "subject": "QQQ", "channel": "phone", "types": '["drift"]'}
        cleared = {"breaker": "costs", "cleared_us": 4, "after": 0, "last": 2**62}
        return book.execute(QUERIES[name], {**known, **cleared}).fetchall()
    return book.execute(QUERIES[name], (OURS, *more.get(name, ()))).fetchall()


@pytest.mark.parametrize(
    "name",
    [name for name, text in QUERIES.items() if text.startswith("SELECT") and name not in OF_THE_WHOLE_BOOK],
)
def test_every_question_is_answered_as_if_the_other_account_were_not_there(
    unguarded: sqlite3.Connection, name: str
) -> None:
    beside_the_other = asked(unguarded, name)
    for table, _ in of_accounts(unguarded, "'table'"):
        unguarded.execute(f"DELETE FROM {table} WHERE account = ?", (THEIRS,))  # noqa: S608  (our names)
    assert beside_the_other
    assert asked(unguarded, name) == beside_the_other


def test_a_lock_of_ours_never_brings_in_an_order_of_theirs(unguarded: sqlite3.Connection) -> None:
    """As if two accounts had come to one reference: the order that a lock names is looked for in its own account."""
    theirs = unguarded.execute(
        "SELECT order_ref FROM book_locks WHERE account = ? AND released_us IS NULL", (THEIRS,)
    ).fetchone()[0]
    unguarded.execute("UPDATE book_locks SET account = ?, symbol = 'PDD' WHERE order_ref = ?", (OURS, theirs))
    assert theirs not in [row[0] for row in asked(unguarded, "live_orders")]


@pytest.mark.parametrize("bound", [SqliteStore, SqliteRecorder])
def test_no_method_is_told_an_account(bound: type) -> None:
    """Whoever has a store has one account's: there is no word with which another could be asked for."""
    methods = [method for name, method in getmembers(bound, isfunction) if not name.startswith("__")]
    assert methods
    assert [method.__name__ for method in methods if "account" in signature(method).parameters] == []


# writing

CHANGES = {
    "a new row": "INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE account = '{theirs}'",
    "a changed row": "UPDATE {table} SET account = account WHERE account = '{theirs}'",
    "a row taken away": "DELETE FROM {table} WHERE account = '{theirs}'",
    "a row of ours given to them": "UPDATE {table} SET account = '{theirs}' WHERE account = '{ours}'",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_database_refuses_every_change_of_another_accounts_rows(unguarded: sqlite3.Connection, change: str) -> None:
    before = rows_of(unguarded, THEIRS)
    refuse_others(unguarded, OURS)
    for table in before:
        columns = ", ".join(row[1] for row in unguarded.execute(f"PRAGMA table_info({table})"))
        with pytest.raises(sqlite3.IntegrityError, match=REFUSAL):
            unguarded.execute(change.format(table=table, columns=columns, ours=OURS, theirs=THEIRS))
    assert rows_of(unguarded, THEIRS) == before


@pytest.mark.parametrize("word", ["INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE"])
def test_a_row_of_ours_never_takes_the_place_of_one_of_theirs(unguarded: sqlite3.Connection, word: str) -> None:
    """Where a key has no account in it, the number of a row or a reference, REPLACE would take the other's row away."""
    before = rows_of(unguarded, THEIRS)
    refuse_others(unguarded, OURS)
    refused = set()
    for table in before:
        names = [row[1] for row in unguarded.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(f"'{OURS}'" if name == "account" else name for name in names)
        try:
            unguarded.execute(
                f"{word} INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE account = '{THEIRS}'"  # noqa: S608  (our names)
            )
        except sqlite3.IntegrityError as error:
            assert str(error) == REFUSAL  # noqa: PT017  (not every table has such a key)
            refused.add(table)
        assert rows_of(unguarded, THEIRS)[table] == before[table]
    assert ("book_orders" in refused) == word.endswith("REPLACE")


def test_executions_cannot_be_replaced_either(shared: Path) -> None:
    """Append-only means no REPLACE, on every connection that writes."""
    with closing(connect(shared)) as book:
        before = rows_of(book, OURS)["book_fills"]
        columns = ", ".join(row[1] for row in book.execute("PRAGMA table_info(book_fills)"))
        with pytest.raises(sqlite3.IntegrityError, match="fills_are_append_only"):
            book.execute(f"REPLACE INTO book_fills ({columns}) SELECT {columns} FROM book_fills")  # noqa: S608  (our names)
        assert rows_of(book, OURS)["book_fills"] == before


@pytest.mark.parametrize("change", ["UPDATE book_stamp SET epoch = 9", "DELETE FROM book_stamp"])
def test_who_is_bound_to_an_account_leaves_what_is_the_whole_books(unguarded: sqlite3.Connection, change: str) -> None:
    refuse_others(unguarded, OURS)
    with pytest.raises(sqlite3.IntegrityError, match=REFUSAL_OF_THE_BOOK):
        unguarded.execute(change)


def test_ones_own_rows_may_be_changed(unguarded: sqlite3.Connection) -> None:
    refuse_others(unguarded, OURS)
    for table, _ in of_accounts(unguarded, "'table'"):
        assert unguarded.execute(f"UPDATE {table} SET account = account WHERE account = '{OURS}'").rowcount > 0  # noqa: S608  (our names)


def test_who_is_bound_to_two_accounts_changes_nothing(unguarded: sqlite3.Connection) -> None:
    for account in (OURS, OURS, THEIRS):
        refuse_others(unguarded, account)
    for account in (OURS, THEIRS):
        with pytest.raises(sqlite3.IntegrityError, match=REFUSAL):
            unguarded.execute("UPDATE book_accounts SET signals_seen = 9 WHERE account = ?", (account,))


def test_a_table_that_is_added_later_is_guarded_too(unguarded: sqlite3.Connection) -> None:
    unguarded.execute("CREATE TABLE book_of_tomorrow (account TEXT)")
    refuse_others(unguarded, OURS)
    with pytest.raises(sqlite3.IntegrityError, match=REFUSAL):
        unguarded.execute("INSERT INTO book_of_tomorrow VALUES (?)", (THEIRS,))


def test_the_guards_are_of_the_connection_and_not_of_the_book(shared: Path) -> None:
    with closing(connect(shared)) as ours:
        refuse_others(ours, OURS)
        with closing(connect(shared)) as theirs:
            refuse_others(theirs, THEIRS)
            assert theirs.execute("UPDATE book_accounts SET signals_seen = 9 WHERE account = ?", (THEIRS,)).rowcount


async def test_a_commit_of_another_account_changes_nothing(shared: Path) -> None:
    store = SqliteStore(await AccountWriter.bind(InlineWriter(connect(shared)), OURS), shared)
    book = await store.load()
    draft = Draft(book, book.day.started_at if book.day else pytest.fail("no day"))
    with closing(sqlite3.connect(shared)) as looking:
        before = rows_of(looking, THEIRS), rows_of(looking, OURS)
        with pytest.raises(BookRefused, match=REFUSAL):
            await store.commit(replace(draft.commit, account=THEIRS))
        assert (rows_of(looking, THEIRS), rows_of(looking, OURS)) == before
    await store.close()


# reading


def test_a_reader_sees_its_own_account_whatever_it_asks(shared: Path) -> None:
    with closing(read_only(shared)) as book:
        names = [name for name, _ in of_accounts(book, "'table', 'view'")]
        show_only(book, THEIRS)
        assert {"positions", "trades", "orders", "signals", "events", "round_trips", "account"} < set(names)
        for name in names:
            assert {row[0] for row in book.execute(f"SELECT account FROM {name}")} == {THEIRS}, name  # noqa: S608  (our names)


def test_a_reader_still_cannot_write(shared: Path) -> None:
    with closing(read_only(shared)) as book:
        show_only(book, THEIRS)
        with pytest.raises(sqlite3.OperationalError):
            book.execute("CREATE TEMP TABLE t (x)")


def test_the_commands_read_one_account(shared: Path) -> None:
    settings = load_settings(CONFIGURATION, account={"name": THEIRS}, book={"db": shared})
    with account_of(settings) as (book, account, _):
        assert account == THEIRS
        assert {row[0] for row in book.execute("SELECT account FROM trades")} == {THEIRS}
