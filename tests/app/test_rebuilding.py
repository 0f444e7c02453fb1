"""`trader rebuild`: every way in which a book can differ from its journal is seen, and what can be mended is mended."""

import asyncio
import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import Market, a_fill, a_machine
from replayed_book import ReplayedBook, a_replayed_book, trader

from trader.adapters.paper.broker import Treatment
from trader.adapters.run_lock import Holder, RunLock
from trader.adapters.sqlite.database import connect, read_only
from trader.adapters.sqlite.one_account import refuse_others
from trader.adapters.sqlite.projections import compare
from trader.adapters.sqlite.rebuilding import rebuild
from trader.audit.audit import audit
from trader.audit.rule import FAILS
from trader.domain.breaker import Breaker
from trader.domain.decision import Side
from trader.domain.errors import BookBroken
from trader.domain.events import BreakerMeasured, CommandName, OrderAccepted
from trader.domain.order import Fill, Order


@pytest.fixture(scope="module")
def noon(tmp_path_factory: pytest.TempPathFactory) -> ReplayedBook:
    """The day up to 12:20: TQQQ is held, AAPL and QQQ were."""
    return a_replayed_book(tmp_path_factory.mktemp("noon"), until="12:20")


@pytest.fixture
def book(noon: ReplayedBook, tmp_path: Path) -> ReplayedBook:
    """The same, to be damaged."""
    return noon.copy_to(tmp_path / "own")


def findings(book: ReplayedBook) -> list[dict[str, str]]:
    """What `--check` finds."""
    answer = book.trader("rebuild", "--check", "--json")
    found: list[dict[str, str]] = json.loads(answer.out)["findings"]
    assert answer.code == (4 if found else 0)
    return found


def test_a_sound_book_equals_its_journal(noon: ReplayedBook) -> None:
    answer, piped = (noon.trader("rebuild", "--check", terminal=terminal) for terminal in (True, False))
    events = noon.one("SELECT count(*) FROM book_events")
    said = f"the book equals its journal ({events} events)\n"
    assert (answer.code, answer.out) == (0, said)
    assert (piped.code, piped.out, piped.err) == (0, "what\twhere\tjournal\tbook\n", said)


DAMAGES = {
    "a position's quantity": (
        "UPDATE book_positions SET quantity = 180 WHERE symbol = 'TQQQ'",
        ("position TQQQ", "book_positions.quantity", "185", "180"),
    ),
    "a position's stop": (
        "UPDATE book_positions SET stop_micros = stop_micros + 1000000 WHERE symbol = 'TQQQ'",
        ("position TQQQ", "book_positions.stop_micros", "76.64 USD", "77.64 USD"),
    ),
    "a position that is closing": (
        "UPDATE book_positions SET state = 'closing', closing_purpose = 'exit' WHERE symbol = 'TQQQ'",
        ("position TQQQ", "book_positions.state", "open", "closing"),
    ),
    "a position is gone": (
        "DELETE FROM book_positions WHERE symbol = 'TQQQ'",
        ("position TQQQ", "book_positions", "quantity 185, state open", "no row"),
    ),
    "a position out of nowhere": (
        "INSERT INTO book_positions SELECT account, 'PSQ', family, -1, quantity, cost_micros, entry_micros, "
        "initial_stop_micros, stop_micros, take_profit_micros, state, closing_purpose, closing_reason, opened_us, "
        "updated_us, bought, bought_micros, sold_micros, realized_micros FROM book_positions WHERE symbol = 'TQQQ'",
        ("position PSQ", "book_positions", "nothing of it", "quantity 185, state open"),
    ),
    "a lot's remaining shares": (
        "UPDATE book_lots SET remaining = 5 WHERE symbol = 'TQQQ'",
        ("lot TQQQ paper-1-0006.1", "book_lots.remaining", "185", "5"),
    ),
    "a lot's cost": (
        "UPDATE book_lots SET cost_micros = cost_micros + 1 WHERE symbol = 'TQQQ'",
        ("lot TQQQ paper-1-0006.1", "book_lots.cost_micros", "14801.85 USD", "14801.850001 USD"),
    ),
    "cash": (
        "UPDATE book_accounts SET cash_micros = cash_micros + 1000000",
        ("account paper", "book_accounts.cash_micros", "84891.29 USD", "84892.29 USD"),
    ),
    "starting cash": (
        "UPDATE book_accounts SET starting_cash_micros = 1000000",
        ("account paper", "book_accounts.starting_cash_micros", "100000 USD", "1 USD"),
    ),
    "reserved cash": (
        "UPDATE book_accounts SET reserved_micros = 5000000",
        ("account paper", "book_accounts.reserved_micros", "0 USD", "5 USD"),
    ),
    "references that would be used twice": (
        "UPDATE book_accounts SET orders_made = 5",
        ("account paper", "book_accounts.orders_made", "at least 6", "5"),
    ),
    "an order's state": (
        "UPDATE book_orders SET state = 'working' WHERE order_ref = 'paper-1-0006'",
        ("order TQQQ paper-1-0006", "book_orders.state", "filled", "working"),
    ),
    "an order's filled shares": (
        "UPDATE book_orders SET filled = 184 WHERE order_ref = 'paper-1-0006'",
        ("order TQQQ paper-1-0006", "book_orders.filled", "185", "184"),
    ),
    "an order is gone": (
        "DELETE FROM book_orders WHERE order_ref = 'paper-1-0002'",
        ("order QQQ paper-1-0002", "book_orders", "side SELL, quantity 29, filled 29, state filled", "no row"),
    ),
    "a lock that was released is live": (
        "UPDATE book_locks SET released_us = NULL, evidence = NULL WHERE order_ref = 'paper-1-0006'",
        ("lock TQQQ paper-1-0006", "book_locks.released_us", "2025-06-23T16:02:00+00:00", "none"),
    ),
    "a lock is gone": (
        "DELETE FROM book_locks WHERE order_ref = 'paper-1-0006'",
        (
            "lock TQQQ paper-1-0006",
            "book_locks",
            "reserved_micros 0 USD, released_us 2025-06-23T16:02:00+00:00",
            "no row",
        ),
    ),
    "a halt that nobody asked for": (
        "INSERT INTO book_halts (account, scope, target, reason, since_us) VALUES ('paper', 'symbol', 'AAPL', 'x', 1)",
        ("halt symbol AAPL 1", "book_halts", "nothing of it", "reason x"),
    ),
    "a round trip's result": (
        "UPDATE book_round_trips SET pnl_micros = 0 WHERE symbol = 'QQQ'",
        ("round trip QQQ 1", "book_round_trips.pnl_micros", "-4.9 USD", "0 USD"),
    ),
}


@pytest.mark.parametrize(("statement", "expected"), DAMAGES.values(), ids=list(DAMAGES))
def test_damage_is_found_said_and_mended(book: ReplayedBook, statement: str, expected: tuple[str, ...]) -> None:
    book.damage(statement)
    assert expected in [tuple(finding.values()) for finding in findings(book)]

    mended = book.trader("rebuild", "--apply")

    assert mended.code == 0, mended.out
    assert findings(book) == []
    assert book.trader("doctor", "--json").out.count('"book\'s rules"') == 1


EXECUTIONS = {
    "a changed price": (
        "UPDATE book_fills SET price_micros = price_micros + 1 WHERE id = 1",
        ("execution QQQ paper-1-0001.1", "book_fills.price_micros", "500.05 USD", "500.050001 USD"),
    ),
    "a lost execution": (
        "DELETE FROM book_fills WHERE id = 2",
        ("execution QQQ paper-1-0002.1", "book_fills", "side SELL, quantity 29, price_micros 499.95 USD", "no row"),
    ),
}


@pytest.mark.parametrize(("statement", "expected"), EXECUTIONS.values(), ids=list(EXECUTIONS))
def test_executions_are_compared_and_never_rewritten(
    book: ReplayedBook, statement: str, expected: tuple[str, ...]
) -> None:
    book.damage(statement)
    assert [tuple(finding.values()) for finding in findings(book)] == [expected]
    before = book.sql("SELECT * FROM book_fills")

    applied = book.trader("rebuild", "--apply")

    assert applied.code == 4
    assert "executions are never rewritten" in applied.err
    assert book.sql("SELECT * FROM book_fills") == before


JOURNALS = {
    "a changed word": (
        "UPDATE book_events SET data = replace(data, '\"quantity\":185', '\"quantity\":186') "
        "WHERE type = 'order_created' AND symbol = 'TQQQ'",
        "another hash",
    ),
    "a changed time": ("UPDATE book_events SET at_us = at_us + 1 WHERE seq = 4", "another hash"),
    "a changed hash": (
        "UPDATE book_events SET hash = replace(hash, substr(hash, 1, 8), '00000000') WHERE seq = 7",
        "another hash",
    ),
    "a lost event": ("DELETE FROM book_events WHERE seq = 9", "missing"),
    "a lost end": ("DELETE FROM book_events WHERE seq = (SELECT max(seq) FROM book_events)", "missing"),
    "a lost beginning": ("DELETE FROM book_events WHERE seq = 1", "missing"),
    "an event that is no JSON": ("UPDATE book_events SET data = '{' WHERE seq = 8", "unreadable"),
    "an event of no known type": ("UPDATE book_events SET type = 'gift' WHERE seq = 8", "unreadable"),
}


@pytest.mark.parametrize(("statement", "says"), JOURNALS.values(), ids=list(JOURNALS))
def test_a_damaged_journal_is_found_and_nothing_is_rebuilt_from_it(
    book: ReplayedBook, statement: str, says: str
) -> None:
    book.damage(statement)
    found = findings(book)
    assert any(finding["what"].startswith("event") and says in finding["book"] for finding in found)
    before = book.db.read_bytes()

    applied = book.trader("rebuild", "--apply")

    assert applied.code == 4
    assert "the journal itself is damaged" in applied.err
    assert book.db.read_bytes() == before


def test_the_rebuild_itself_refuses_a_damaged_journal(book: ReplayedBook) -> None:
    """Whoever calls it, and whatever was looked at before."""
    book.damage("UPDATE book_events SET at_us = at_us + 1 WHERE seq = 4")
    book.damage("UPDATE book_positions SET quantity = 180 WHERE symbol = 'TQQQ'")
    with closing(connect(book.db)) as connection, pytest.raises(BookBroken, match="damaged itself"):
        rebuild(connection, "paper", "operator")
    assert book.one("SELECT quantity FROM book_positions WHERE symbol = 'TQQQ'") == "180"


def test_one_changed_event_is_one_finding_of_the_chain(book: ReplayedBook) -> None:
    book.damage("UPDATE book_events SET at_us = at_us + 1 WHERE seq = 3")
    assert [finding["what"] for finding in findings(book)] == ["event 3"]


def test_a_journal_that_contradicts_itself_is_found_though_its_chain_is_whole(book: ReplayedBook) -> None:
    """Somebody rewrites an event and every hash after it."""
    seq = book.one("SELECT min(seq) FROM book_events WHERE data LIKE '%\"held\":0%'")
    book.damage("UPDATE book_events SET data = replace(data, '\"held\":0', '\"held\":7') WHERE seq = ?", int(seq))
    _forge_chain(book)
    found = findings(book)
    assert [finding["what"] for finding in found] == [f"event {seq}"]
    assert "held is 7, and 0 follows from its fill" in found[0]["book"]


def test_a_journal_that_does_not_open_its_account_is_found(book: ReplayedBook) -> None:
    book.damage("UPDATE book_events SET type = 'run_started' WHERE seq = 1")
    _forge_chain(book)
    assert "the journal" in [finding["what"] for finding in findings(book)]


def _forge_chain(book: ReplayedBook) -> None:
    from trader.adapters.sqlite.rows import from_us
    from trader.adapters.sqlite.transaction import GENESIS, Head, link
    from trader.domain.events import JournalEntry, JournalType

    head = Head(0, GENESIS)
    rows = book.sql("SELECT seq, type, symbol, at_us, data FROM book_events ORDER BY seq")
    for seq, type_, symbol, at_us, text in rows:
        entry = JournalEntry(JournalType(str(type_)), from_us(int(str(at_us))), str(symbol), {})
        head = link(head, "paper", entry, str(text))
        book.damage("UPDATE book_events SET hash = ? WHERE seq = ?", head.hash, seq)


def test_a_lost_guard_is_found_and_restored(book: ReplayedBook) -> None:
    guards = "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"
    before = book.one(guards)
    with closing(sqlite3.connect(book.db, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER cash_is_reserved_once")
        connection.execute("DROP INDEX one_working_opening_order_per_symbol")
    assert {finding["what"]: finding["book"] for finding in findings(book)} == {
        "trigger cash_is_reserved_once": "missing",
        "index one_working_opening_order_per_symbol": "missing",
    }
    assert book.trader("rebuild", "--apply").code == 0
    assert book.one(guards) == before


def test_many_damages_are_mended_at_once(book: ReplayedBook) -> None:
    for statement, _ in DAMAGES.values():
        if not statement.startswith("DELETE"):  # a row that is gone cannot be damaged further
            book.damage(statement)
    assert len(findings(book)) > 10
    assert book.trader("rebuild", "--apply").code == 0
    assert findings(book) == []


def test_applying_backs_up_first_and_says_where(book: ReplayedBook) -> None:
    book.damage("UPDATE book_positions SET quantity = 180 WHERE symbol = 'TQQQ'")
    applied = book.trader("rebuild", "--apply")
    [copy] = (book.folder / "backups").iterdir()
    assert f"backup: {copy}" in applied.err
    with closing(sqlite3.connect(copy)) as connection:
        held = connection.execute("SELECT quantity FROM book_positions WHERE symbol = 'TQQQ'").fetchone()
    assert held == (180,), "the backup is the book as it was found"


def test_applying_leaves_a_word_in_the_journal_at_the_books_own_time(book: ReplayedBook) -> None:
    newest = book.one("SELECT max(at_us) FROM book_events")
    book.damage("UPDATE book_positions SET quantity = 180 WHERE symbol = 'TQQQ'")
    book.trader("rebuild", "--apply")
    type_, at_us, data = book.sql("SELECT type, at_us, data FROM book_events ORDER BY seq DESC LIMIT 1")[0]
    assert (type_, str(at_us)) == ("command", newest)
    assert json.loads(str(data))["name"] == "rebuild"


def test_what_only_its_row_tells_of_is_named_and_taken_as_it_is(book: ReplayedBook) -> None:
    """A signal that came to nothing follows from nothing: as it was is not known any more, and that is kept."""
    book.damage("UPDATE book_signals SET probability = 0.5 WHERE id = 'S-0001'")
    book.damage("DELETE FROM book_marks WHERE symbol = 'QQQ'")
    marks = int(book.one("SELECT count(*) FROM book_marks"))
    assert [tuple(finding.values()) for finding in findings(book)] == [
        ("S-0001", "book_signals", "as written", "changed"),
        ("account paper", "book_marks", f"{marks + 1} rows", f"{marks} rows"),
    ]
    said = "0 rows and guards mended, 2 rows and counts taken as they are"
    assert said in book.trader("rebuild", "--apply").err
    assert findings(book) == []
    assert [answer.rule.name for answer in audit(book.db, {}) if answer.verdict in FAILS] == ["signals_have_fates"]
    assert said in book.one("SELECT data FROM book_events ORDER BY seq DESC LIMIT 1")


def test_a_stamp_that_is_gone_is_not_made_anew(book: ReplayedBook) -> None:
    book.damage("DELETE FROM book_stamp")
    for arguments in (["--check"], ["--apply"]):
        answer = book.trader("rebuild", *arguments)
        assert (answer.code, answer.out.splitlines()[1:]) == (4, ["the book\tbook_stamp\tstamped once\tno row"])
        assert "a stamp cannot be made anew: keep the file and go back to a backup" in answer.err


def test_applying_to_a_sound_book_changes_nothing(book: ReplayedBook) -> None:
    before = book.db.read_bytes()
    assert book.trader("rebuild", "--apply").code == 0
    assert book.db.read_bytes() == before
    assert not (book.folder / "backups").exists()


def test_nothing_is_applied_while_a_daemon_runs(book: ReplayedBook) -> None:
    book.damage("UPDATE book_positions SET quantity = 180 WHERE symbol = 'TQQQ'")
    lock = RunLock.take(book.folder / "book.db.paper.lock", Holder(4711, "0.1.0", "x", "today"))
    try:
        refused = book.trader("rebuild", "--apply")
    finally:
        lock.release()
    assert refused.code == 6
    assert "4711" in refused.err
    assert book.one("SELECT quantity FROM book_positions WHERE symbol = 'TQQQ'") == "180"


def test_a_mended_book_that_cannot_be_written_is_as_it_was(book: ReplayedBook) -> None:
    """The order of a reference is another account's row: the book cannot be made whole, so nothing is changed."""
    book.damage("INSERT INTO book_accounts SELECT 'other', 1, 1, 0, 0, 0, 1, 1, 0, 0 FROM book_stamp")
    book.damage("UPDATE book_orders SET account = 'other' WHERE order_ref = 'paper-1-0002'")
    book.damage("UPDATE book_positions SET quantity = 180 WHERE symbol = 'TQQQ'")
    refused = book.trader("rebuild", "--apply")
    assert refused.code == 2
    assert "nothing was changed" in refused.err
    assert book.one("SELECT quantity FROM book_positions WHERE symbol = 'TQQQ'") == "180"
    assert book.one("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'") != "0"


@pytest.mark.parametrize("arguments", [[], ["--check", "--apply"]])
def test_either_check_or_apply(book: ReplayedBook, arguments: list[str]) -> None:
    answer = book.trader("rebuild", *arguments)
    assert answer.code == 2
    assert "--check or --apply" in answer.err


def test_only_the_configured_account_is_looked_at(book: ReplayedBook) -> None:
    book.damage("INSERT INTO book_accounts SELECT 'other', 1, 1, 0, 0, 0, 1, 1, 0, 0 FROM book_stamp")
    assert findings(book) == []


# -- halts and latches, of which there is a row for each time --------------------------------------------------------


@pytest.fixture(scope="module")
def barred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of two accounts; each has halted AAPL and tripped a breaker, cleared both, and done so again."""
    folder = tmp_path_factory.mktemp("barred")

    async def bar_entries() -> None:
        for account in ("large", "tiny"):
            async with a_machine(folder, account={"name": account}) as market:
                for cause in ("the first", "the second"):
                    await market.command(CommandName.RESUME, "symbol", "AAPL")
                    await market.command(CommandName.RESUME, breaker=Breaker.AUDIT)
                    await market.wait(1)
                    await market.command(CommandName.HALT, "symbol", "AAPL")
                    await market.handle(BreakerMeasured(Breaker.AUDIT, 1, cause, {"finding 1": "a|b|c"}))
                    await market.wait(1)

    asyncio.run(bar_entries())
    return folder / "trading_data.db"


BARRING = [
    "UPDATE book_latches SET cleared_us = 5, cleared_by = 'x', cleared_reason = 'y' WHERE id = 2",
    "UPDATE book_halts SET cleared_us = 5, cleared_reason = 'y' WHERE id = 2",
    "UPDATE book_latches SET cleared_by = 'nobody' WHERE id = 1",
    "UPDATE book_halts SET cleared_reason = 'nothing' WHERE id = 1",
    "DELETE FROM book_latches WHERE id = 1",
    "DELETE FROM book_halts WHERE id = 1",
    "INSERT INTO book_latches VALUES (5, 'large', 'costs', 'account', '', 'x', 3, 3, '{}', 'x', 0, 3, 4, 'me', 'seen')",
    "INSERT INTO book_halts (account, scope, target, reason, since_us) VALUES ('large', 'all', '', 'x', 3)",
]


@pytest.mark.parametrize("statement", BARRING)
def test_the_audit_holds_of_halts_and_latches_that_were_rebuilt(barred: Path, tmp_path: Path, statement: str) -> None:
    path = tmp_path / "book.db"
    with closing(sqlite3.connect(barred)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
    with closing(connect(path)) as book:
        before = halts_and_latches(book)
        assert [len(rows) for rows in before] == [4, 4]
        guards = book.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            book.execute(f"DROP TRIGGER {name}")
        assert book.execute(statement).rowcount == 1
        for _, guard in guards:
            book.execute(guard)
        assert wrong_rules(path) & {"halts_as_told", "latches_as_told"}

        refuse_others(book, "large")
        assert rebuild(book, "large", "operator").mended > 0

        assert halts_and_latches(book) == before
    assert wrong_rules(path) == set()


def halts_and_latches(book: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    """Every row, with its number."""
    queries = ("SELECT * FROM book_halts ORDER BY id", "SELECT * FROM book_latches ORDER BY id")
    return [[tuple(row) for row in book.execute(query)] for query in queries]


def wrong_rules(path: Path) -> set[str]:
    """What the audit says of a book."""
    return {answer.rule.name for answer in audit(path, {}) if answer.verdict in FAILS}


# -- states that a quiet day does not have --------------------------------------------------------------------------


def found_in(market: Market) -> list[tuple[str, ...]]:
    """Findings of a machine's book, while it lives."""
    with closing(read_only(market.path)) as connection:
        return [tuple(finding) for finding in compare(connection, "paper").findings]


async def test_an_acknowledgement_is_not_journaled_and_no_difference(tmp_path: Path) -> None:
    patient = {"entry_timeout_s": 600}
    async with a_machine(tmp_path, script=lambda _: Treatment(delay_bars=3), signals=patient) as market:
        await market.bar(says={"QQQ": 0.8, "AAPL": 0.8})
        await market.bar(says={"MSFT": 0.8})
        assert market.one("SELECT state FROM orders WHERE symbol = 'QQQ'") == "working"
        assert found_in(market) == []


async def test_an_unknown_order_that_is_found_again_is_journaled(tmp_path: Path) -> None:
    async with a_machine(tmp_path, script=lambda _: Treatment(lose_acknowledgement=True, delay_bars=9)) as market:
        await market.bar(says={"QQQ": 0.8})
        assert market.one("SELECT state FROM orders") == "unknown"
        assert found_in(market) == []
        await market.handle(OrderAccepted("paper-1-0001"))
        assert market.one("SELECT state FROM orders") == "working"
        assert found_in(market) == []


async def test_an_order_of_unknown_fate_that_is_cancelled_stays_unknown_in_both(tmp_path: Path) -> None:
    def lost(_: Order) -> Treatment:
        return Treatment(lose_acknowledgement=True, parts=(0,), ignore_cancel=True)

    async with a_machine(tmp_path, script=lost) as market:
        await market.bar(says={"QQQ": 0.8})
        await market.wait(61)
        assert market.one("SELECT state FROM orders") == "unknown"
        assert found_in(market) == []


async def test_a_live_lock_gives_back_what_its_fills_have_spent(tmp_path: Path) -> None:
    patient = {"entry_timeout_s": 600}
    async with a_machine(tmp_path, script=lambda _: Treatment(parts=(10, 5)), signals=patient) as market:
        await market.bar(says={"QQQ": 0.8})
        await market.bars(2)
        assert 0 < market.one("SELECT reserved_micros FROM book_accounts") < 14 * 502_500_000 + 1_000_000
        assert found_in(market) == []


async def test_a_correction_leaves_its_order_alone(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.bars(2, says={"QQQ": 0.8})
        [row] = market.sql("SELECT execution_id, order_ref, quantity, price_micros, commission_micros FROM book_fills")
        execution, ref, quantity, price, commission = row
        reversal = Fill(
            f"reversal-of-{execution}", ref, "paper", "QQQ", Side.SELL, quantity, price, -commission, market.now
        )
        await market.command(CommandName.ADJUST, fill=reversal)
        assert market.held() == {}
        assert market.one("SELECT filled FROM book_orders WHERE order_ref = ?", ref) == quantity
        assert found_in(market) == []


async def test_an_execution_of_nobodys_order_is_folded_too(tmp_path: Path) -> None:
    async with a_machine(tmp_path) as market:
        await market.report(a_fill("AAPL", 3, 200.0, at=market.now, order_ref="elsewhere"))
        assert market.held() == {"AAPL": 3}
        assert found_in(market) == []


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_the_book_equals_its_journal(tmp_path: Path, seed: int) -> None:
    """Rejects, lost and repeated reports, parts, late cancels, halts, corrections, restarts: after each of them."""
    chance = random.Random(seed)
    async with a_machine(tmp_path, script=lambda order: _any_treatment(chance, order)) as market:
        for _ in range(60):
            closes = {symbol: price * (1 + chance.gauss(0, 0.004)) for symbol, price in market.prices.items()}
            says = {symbol: chance.choice([0.05, 0.2, 0.5, 0.8, 0.97]) for symbol in ("QQQ", "AAPL", "MSFT", "JD")}
            await market.bar(says if chance.random() < 0.5 else None, closes, at_open=chance.random() < 0.3)
            await _anything(market, chance)
            assert found_in(market) == []
        assert market.one("SELECT count(*) FROM book_fills") > 0


def _any_treatment(chance: random.Random, order: Order) -> Treatment:
    parts = tuple(chance.randint(1, order.quantity) for _ in range(chance.randint(0, 3)))
    return Treatment(
        reject="no" if chance.random() < 0.1 else "",
        lose_acknowledgement=chance.random() < 0.15,
        delay_bars=chance.choice([0, 0, 0, 1, 3]),
        parts=parts if chance.random() < 0.5 else (),
        repeat_reports=chance.choice([1, 1, 2]),
        ignore_cancel=chance.random() < 0.1,
    )


_SCOPES = [("all", ""), ("symbol", "AAPL"), ("family", "QQQ")]


async def _anything(market: Market, chance: random.Random) -> None:
    match chance.randrange(24):
        case 0:
            await market.restart(keep_broker=chance.random() < 0.5)
        case 1:
            await market.command(CommandName.HALT, *chance.choice(_SCOPES))
        case 2 | 3:
            await market.command(CommandName.RESUME, *chance.choice(_SCOPES))
        case 4:
            await market.command(CommandName.CASH, amount_micros=chance.randint(-(10**7), 10**7))
        case 5:
            await market.report(a_fill("AAPL", 3, 200.0, at=market.now, order_ref="elsewhere"))
        case 6:
            await market.submit(chance.choice(["QQQ", "AAPL"]), chance.choice([0.1, 0.9]))
        case 7:
            await market.wait(61)
        case 8:
            await market.command(CommandName.FLATTEN)


def test_the_answer_for_a_pipe_is_a_table(book: ReplayedBook) -> None:
    book.damage("UPDATE book_positions SET quantity = 180 WHERE symbol = 'TQQQ'")
    answer = trader("rebuild", "--check", "--config", str(book.config))
    assert answer.code == 4
    assert answer.rows() == [
        {
            "what": "position TQQQ",
            "where": "book_positions.quantity",
            "journal": "185",
            "book": "180",
        }
    ]
    assert "1 findings; stop the daemon, then `trader rebuild --apply`" in answer.err
