"""What the database refuses by itself, whoever writes: each rule of `schema.sql` is broken once, and says its name."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from builders import a_machine

from trader.domain.events import CommandName
from trader.domain.ledger import PositionState

ONE_MORE_EXIT = (
    "INSERT INTO book_orders SELECT order_ref || '{0}', account, symbol, 'SELL', 1, 0, NULL, '{1}', 'exit', reason, "
    "signal_id, created_us, updated_us, NULL, '', NULL, 0 FROM book_orders WHERE symbol = 'QQQ'; "
)
PROTECTION = (
    "INSERT INTO book_orders SELECT order_ref || '{{0}}', account, symbol, 'SELL', {{1}}, 0, {0}, 'working', "
    "'protection', reason, signal_id, created_us, updated_us, {1}, '{{2}}', NULL, 0 FROM book_orders "
    "WHERE symbol = 'QQQ' AND purpose = 'entry'; "
)
STOP, TARGET = PROTECTION.format("NULL", 1), PROTECTION.format(10**9, "NULL")
ONE_MORE_FILL = (
    "INSERT INTO book_fills SELECT id + 1, account, '{0}', order_ref, symbol, {1}, {2}, {3}, commission_micros, "
    "realized_micros, purpose, reason, executed_us, booked_us FROM book_fills"
)
ONE_MORE_LOCK = (
    "INSERT INTO book_locks SELECT {0}, account, '{1}', '{1}', {2}, {3}, {4}, acquired_us, NULL, NULL "
    "FROM book_locks WHERE symbol = 'AAPL'; "
)
OTHER_SIDE = ONE_MORE_LOCK.replace("'{1}', '{1}'", "'ANOTHER', '{1}'")
INVERSE_WORKING = "UPDATE book_locks SET direction = -1 WHERE symbol = 'AAPL'"
ONE_MICRO_TOO_MUCH = "(SELECT cash_micros - reserved_micros + 1 FROM book_accounts)"
RELEASED_TWICE = "; ".join(["UPDATE book_locks SET released_us = 1, evidence = 'told' WHERE symbol = 'AAPL'"] * 2)

ANOTHER_LIFE = "UPDATE book_positions SET opened_us = opened_us + 1, "
CLOSING = "UPDATE book_positions SET state = 'closing', closing_purpose = 'exit'"
STAYING = "UPDATE book_positions SET state = '{0}', closing_purpose = NULL"

HELD = [PositionState.OPENING, PositionState.OPEN, PositionState.CLOSING]

BROKEN = [
    ("UPDATE book_stamp SET one = 2", "one = 1"),
    ("UPDATE book_stamp SET kind = 'other'", "kind IN"),
    ("UPDATE book_stamp SET epoch = 0", "epoch >= 1"),
    ("UPDATE book_accounts SET account = 'PAPER'", "account GLOB"),
    ("UPDATE book_accounts SET account = 'abcdefghijklm'", "account GLOB"),
    ("UPDATE book_accounts SET starting_cash_micros = -1", "starting_cash_micros >= 0"),
    ("UPDATE book_accounts SET reserved_micros = -1", "reserved_micros >= 0"),
    ("UPDATE book_accounts SET orders_made = -1", "orders_made >= 0"),
    ("UPDATE book_accounts SET signals_seen = -1", "signals_seen >= 0"),
    ("UPDATE book_accounts SET cash_micros = 1.5", "cannot store REAL"),
    ("UPDATE book_orders SET side = 'SHORT'", "side IN"),
    ("UPDATE book_orders SET quantity = 0", "quantity > 0"),
    ("UPDATE book_orders SET filled = -1", "filled >= 0"),
    ("UPDATE book_orders SET limit_micros = 0", "limit_micros > 0"),
    ("UPDATE book_orders SET state = 'lost'", "state = "),
    ("UPDATE book_orders SET purpose = 'hedge'", "purpose = "),
    ("UPDATE book_orders SET limit_micros = NULL", "an_entry_buys_at_a_limit"),
    ("UPDATE book_orders SET side = 'SELL'", "an_entry_buys_at_a_limit"),
    ("UPDATE book_orders SET account = 'nobody'", "FOREIGN KEY"),
    ("DELETE FROM book_orders", "orders_are_kept"),
    (ONE_MORE_EXIT.format("x", "created") + ONE_MORE_EXIT.format("y", "unknown"), "book_orders.symbol"),
    (ONE_MORE_EXIT.format("x", "cancelling") + ONE_MORE_EXIT.format("y", "working"), "book_orders.symbol"),
    (ONE_MORE_EXIT.replace("'SELL', 1", "'SELL', quantity + 1").format("x", "created"), "exit_within_what_is_held"),
    (ONE_MORE_EXIT.format("x", "created") + STOP.format("a", 1, "a"), "no_protection_beside_an_exit"),
    (STOP.format("a", 1, "a") + ONE_MORE_EXIT.format("x", "created"), "no_exit_beside_protection"),
    (STOP.format("a", "quantity + 1", "a"), "stops_within_what_may_be_held"),
    (STOP.format("a", "quantity", "a") + STOP.format("b", 1, "b"), "stops_within_what_may_be_held"),
    (STOP.format("a", 1, "a") + TARGET.format("b", 2, "a"), "a_target_has_its_stop"),
    (STOP.format("a", 1, "a") + TARGET.format("b", 1, "b"), "a_target_has_its_stop"),
    (STOP.format("a", 1, ""), "protection_sells_at_one_level_of_a_group"),
    ("UPDATE book_orders SET oca = 'a' WHERE symbol = 'QQQ'", "protection_sells_at_one_level_of_a_group"),
    ("UPDATE book_orders SET stop_micros = 0", "stop_micros > 0"),
    (ONE_MORE_LOCK.format("order_ref || 'x'", "MSFT", "0", "0", "1"), "direction IN"),
    (ONE_MORE_LOCK.format("order_ref || 'x'", "MSFT", "1", "-1", "1"), "reserved_micros >= 0"),
    (ONE_MORE_LOCK.format("order_ref || 'x'", "MSFT", "1", "0", "2"), "takes_slot IN"),
    (ONE_MORE_LOCK.format("order_ref || 'x'", "AAPL", "1", "0", "1"), "book_locks.symbol"),
    (ONE_MORE_LOCK.format("order_ref || 'x'", "MSFT", "1", "0", "1"), "FOREIGN KEY"),
    (ONE_MORE_LOCK.format("order_ref || 'x'", "MSFT", "1", "10000000000000", "1"), "cash_is_reserved_once"),
    (ONE_MORE_LOCK.format("order_ref || 'x'", "MSFT", "1", ONE_MICRO_TOO_MUCH, "1"), "cash_is_reserved_once"),
    (OTHER_SIDE.format("order_ref || 'x'", "QQQ", "-1", "0", "1"), "family_opposite_side_refused"),
    (OTHER_SIDE.format("order_ref || 'x'", "AAPL", "-1", "0", "1"), "family_opposite_side_refused"),
    (
        "; ".join(["UPDATE book_positions SET direction = -1", OTHER_SIDE.format("'x'", "QQQ", "1", "0", "1")]),
        "family_opposite_side_refused",
    ),
    (
        "; ".join([INVERSE_WORKING, OTHER_SIDE.format("'x'", "AAPL", "1", "0", "1")]),
        "family_opposite_side_refused",
    ),
    ("UPDATE book_locks SET released_us = 1 WHERE symbol = 'AAPL'", "released_only_by_evidence"),
    ("UPDATE book_locks SET evidence = 'told' WHERE symbol = 'AAPL'", "released_only_by_evidence"),
    (RELEASED_TWICE, "a_released_lock_stays_released"),
    ("DELETE FROM book_locks", "locks_are_kept"),
    ("UPDATE book_positions SET direction = 0", "direction IN"),
    ("UPDATE book_positions SET quantity = -1", "quantity >= 0"),
    ("UPDATE book_positions SET cost_micros = -1", "cost_micros >= 0"),
    ("UPDATE book_positions SET state = 'short'", "state = "),
    ("UPDATE book_positions SET bought = quantity - 1", "bought >= quantity"),
    ("UPDATE book_positions SET state = 'flat'", "flat_means_nothing_held"),
    ("UPDATE book_positions SET stop_micros = NULL", "no_position_without_exits"),
    ("UPDATE book_positions SET take_profit_micros = NULL", "no_position_without_exits"),
    ("UPDATE book_positions SET quantity = 0, state = 'flat'", "no_exits_without_position"),
    ("UPDATE book_positions SET entry_micros = NULL", "no_position_without_exits"),
    ("UPDATE book_positions SET initial_stop_micros = NULL", "no_position_without_exits"),
    ("UPDATE book_positions SET stop_micros = stop_micros - 1", "a_stop_is_only_tightened"),
    ("UPDATE book_positions SET initial_stop_micros = initial_stop_micros - 1", "the_initial_stop_stays"),
    ("UPDATE book_positions SET entry_micros = entry_micros + 1", "the_initial_stop_stays"),
    (ANOTHER_LIFE + "stop_micros = initial_stop_micros - 1", "stop_between_initial_stop_and_take_profit"),
    (ANOTHER_LIFE + "initial_stop_micros = 0", "exits_lie_around_the_entry"),
    (ANOTHER_LIFE + "initial_stop_micros = entry_micros", "exits_lie_around_the_entry"),
    (ANOTHER_LIFE + "entry_micros = take_profit_micros", "exits_lie_around_the_entry"),
    ("UPDATE book_positions SET stop_micros = take_profit_micros", "stop_between_initial_stop_and_take_profit"),
    ("UPDATE book_positions SET state = 'opening'", "a_position_only_moves_on"),
    ("; ".join([CLOSING, STAYING.format("open")]), "a_position_only_moves_on"),
    ("; ".join([CLOSING, STAYING.format("opening")]), "a_position_only_moves_on"),
    ("INSERT INTO book_drift VALUES ('paper', 'QQQ', -1, 0, 1)", "book >= 0"),
    ("UPDATE book_positions SET state = 'closing'", "closing_has_a_purpose"),
    ("UPDATE book_positions SET closing_purpose = 'exit'", "closing_has_a_purpose"),
    (ONE_MORE_FILL.format("new", "'SHORT'", "1", "1"), "side IN"),
    (ONE_MORE_FILL.format("new", "side", "0", "1"), "quantity > 0"),
    (ONE_MORE_FILL.format("new", "side", "1", "0"), "price_micros > 0"),
    (ONE_MORE_FILL.format("", "side", "1", "1").replace("''", "execution_id"), "book_fills.execution_id"),
    ("UPDATE book_fills SET quantity = 1", "fills_are_append_only"),
    ("DELETE FROM book_fills", "fills_are_append_only"),
    ("UPDATE book_lots SET remaining = -1", "remaining >= 0"),
    ("UPDATE book_lots SET cost_micros = -1", "cost_micros >= 0"),
    ("INSERT INTO book_round_trips VALUES (1, 'paper', 'QQQ', 1, 2, 0, 0, 0, 0, 'stop', 'X')", "quantity > 0"),
    ("UPDATE book_signals SET outcome = 'lost'", "outcome = "),
    ("UPDATE book_signals SET outcome = 'refused', rule = NULL", "a_no_has_a_rule"),
    ("UPDATE book_signals SET count = 0", "count >= 1"),
    ("INSERT INTO book_inbox VALUES ('paper', 'signals', -1, 0, 0)", "offset >= 0"),
    ("INSERT INTO book_inbox VALUES ('paper', 'signals', 0, -1, 0)", "line >= 0"),
    ("UPDATE book_halts SET scope = 'sector'", "scope IN"),
    (
        "INSERT INTO book_halts SELECT id + 1, account, scope, '', reason, 1, NULL, NULL, 0 FROM book_halts",
        "halts.target",
    ),
    ("UPDATE book_days SET day = 'today'", "day GLOB"),
    ("INSERT INTO book_events SELECT account, 0, type, '', 1, '{}', hash FROM book_events LIMIT 1", "seq >= 1"),
    (
        "INSERT INTO book_events SELECT account, 9999, type, '', 1, '{}', 'x' FROM book_events LIMIT 1",
        "length.hash. = 64",
    ),
    ("UPDATE book_events SET data = '{}'", "events_are_append_only"),
    ("DELETE FROM book_events", "events_are_append_only"),
    ("INSERT OR REPLACE INTO book_marks VALUES ('paper', 'QQQ', 0, 1, 0)", "price_micros > 0"),
]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """QQQ is held, an entry of AAPL is working, entries are halted."""
    folder = tmp_path_factory.mktemp("book")

    async def trade() -> None:
        async with a_machine(folder) as market:
            await market.bar({"QQQ": 0.8})
            await market.bar({"AAPL": 0.8})
            await market.command(CommandName.HALT)
            assert (market.held(), market.working()) == ({"QQQ": 29}, [("BUY", "AAPL")])

    asyncio.run(trade())
    return folder / "trading_data.db"


@pytest.fixture
def connection(book: Path) -> Iterator[sqlite3.Connection]:
    """A writer of its own; what it writes is taken back."""
    with closing(sqlite3.connect(book, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN")
        yield connection
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@pytest.mark.parametrize(("statements", "rule"), BROKEN)
def test_the_database_refuses_it_and_says_by_which_rule(
    connection: sqlite3.Connection, statements: str, rule: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=rule):
        write(connection, statements)


def write(connection: sqlite3.Connection, statements: str) -> None:
    for statement in (*statements.split("; "), "COMMIT"):
        connection.execute(statement)


def test_stops_may_wait_for_what_a_working_entry_may_still_buy(connection: sqlite3.Connection) -> None:
    of_aapl = STOP.format("a", "quantity", "a").replace("'QQQ'", "'AAPL'").removesuffix("; ")
    connection.execute(of_aapl)
    with pytest.raises(sqlite3.IntegrityError, match="stops_within_what_may_be_held"):
        connection.execute(of_aapl.replace("'a'", "'b'"))


def test_what_a_target_has_sold_its_stop_sells_no_more(connection: sqlite3.Connection) -> None:
    for statement in (STOP.format("a", "quantity", "a"), TARGET.format("b", "quantity", "a")):
        connection.execute(statement.removesuffix("; "))
    connection.execute("UPDATE book_orders SET filled = 5 WHERE purpose = 'protection' AND stop_micros IS NULL")
    connection.execute("UPDATE book_orders SET state = 'filled' WHERE purpose = 'protection' AND stop_micros IS NULL")
    connection.execute(STOP.format("c", 5, "c").removesuffix("; "))
    with pytest.raises(sqlite3.IntegrityError, match="stops_within_what_may_be_held"):
        connection.execute(STOP.format("d", 1, "d").removesuffix("; "))


def test_the_accounts_reservation_is_that_of_its_live_locks(connection: sqlite3.Connection) -> None:
    assert reserved(connection) == connection.execute("SELECT sum(reserved_micros) FROM book_locks").fetchone() > (0,)
    connection.execute("UPDATE book_locks SET reserved_micros = 7 WHERE symbol = 'AAPL'")
    assert reserved(connection) == (7,)
    connection.execute(ONE_MORE_LOCK.format("order_ref || 'x'", "MSFT", "1", "5", "1").removesuffix("; "))
    assert reserved(connection) == (12,)


def reserved(connection: sqlite3.Connection) -> tuple[int]:
    row: tuple[int] = connection.execute("SELECT reserved_micros FROM book_accounts").fetchone()
    return row


@pytest.mark.parametrize("held", HELD, ids=str)
@pytest.mark.parametrize("second", HELD, ids=str)
def test_an_instrument_of_an_account_is_held_once(
    connection: sqlite3.Connection, held: PositionState, second: PositionState
) -> None:
    """What is on its way out is held, too: the incident's look-up did not see it, and made another."""
    connection.execute("DROP TRIGGER a_position_only_moves_on")
    as_it_is = "UPDATE book_positions SET state = ?, closing_purpose = iif(? = 'closing', 'exit', NULL)"
    connection.execute(as_it_is, (held, held))
    with pytest.raises(sqlite3.IntegrityError, match=r"book_positions\.symbol"):
        connection.execute(another_position(connection), ("paper", "QQQ", second, second))
    connection.execute(another_position(connection), ("paper", "AAPL", second, second))


def another_position(connection: sqlite3.Connection) -> str:
    """Like the one of QQQ, of an account and symbol, in a state."""
    columns = [row[1] for row in connection.execute("PRAGMA table_info(book_positions)")]
    given = {"account": "?", "symbol": "?", "state": "?", "closing_purpose": "iif(? = 'closing', 'exit', NULL)"}
    values = ", ".join(given.get(column, column) for column in columns)
    return f"INSERT INTO book_positions SELECT {values} FROM book_positions WHERE symbol = 'QQQ'"  # noqa: S608
