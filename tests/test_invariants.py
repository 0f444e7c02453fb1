"""The checks of `invariants.py` see what they are there for: each is shown a book with that violation planted."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from builders import a_machine
from invariants import CHECKS, violations

PLANTED = {
    "fills are the position": "UPDATE book_positions SET quantity = quantity + 1, bought = bought + 1",
    "open lots are the position": "UPDATE book_lots SET remaining = remaining - 1",
    "cash is what the fills and movements made of it": "UPDATE book_accounts SET cash_micros = cash_micros + 1",
    "cash is what was realised less what is held": "UPDATE book_positions SET cost_micros = cost_micros + 1",
    "cash is not below zero": "UPDATE book_accounts SET cash_micros = -1",
    "what is reserved is covered by cash": "UPDATE book_accounts SET reserved_micros = cash_micros + 1",
    "reserved is the sum of the live locks": "UPDATE book_accounts SET reserved_micros = reserved_micros + 1",
    "never both sides of a family": """
        INSERT INTO book_locks SELECT order_ref || 'x', account, 'PSQ', family, -1, 0, 0, acquired_us, NULL, NULL
        FROM book_locks WHERE symbol = 'QQQ'""",
    "one working opening order a symbol": """
        INSERT INTO book_orders SELECT order_ref || 'x', account, symbol, side, quantity, filled, limit_micros,
            'unknown', purpose, reason, signal_id, created_us, updated_us, stop_micros, oca, NULL, 0
        FROM book_orders WHERE symbol = 'AAPL'""",
    "working opening orders and live locks belong to one another": """
        UPDATE book_locks SET released_us = 1, evidence = 'none' WHERE symbol = 'AAPL'""",
    "live exits do not exceed what is held": """
        INSERT INTO book_orders SELECT order_ref || 'x', account, symbol, 'SELL', quantity + 1, 0, NULL, 'created',
            'exit', reason, signal_id, created_us, updated_us, stop_micros, oca, NULL, 0
        FROM book_orders WHERE symbol = 'QQQ'""",
    "stops that are not being taken back do not exceed what is held and may still be bought": """
        INSERT INTO book_orders SELECT order_ref || 'x', account, symbol, 'SELL', quantity + 1, 0, NULL, 'created',
            'protection', 'stop', '', created_us, updated_us, 1000000, 'a pair', NULL, 0 FROM book_orders
        WHERE symbol = 'QQQ'""",
    "an exit of our own and protection never live together": """
        INSERT INTO book_orders SELECT order_ref || made.purpose, account, symbol, 'SELL', 1, 0, made.level, 'created',
            made.purpose, 'stop', '', created_us, updated_us, NULL, made.oca, NULL, 0
        FROM book_orders, (SELECT 'exit' AS purpose, '' AS oca, NULL AS level
                           UNION SELECT 'protection', 'a pair', 1000000) AS made WHERE symbol = 'QQQ'""",
    "an order is filled by its fills and not beyond": "UPDATE book_orders SET filled = filled - 1 WHERE symbol = 'QQQ'",
    "what is held has exits": "UPDATE book_positions SET stop_micros = NULL, take_profit_micros = NULL",
    "round trips realise what their fills realised": "UPDATE book_positions SET realized_micros = realized_micros + 1",
    "the journal has no gap": "DELETE FROM book_events WHERE seq = 3",
    "no signal names an order that is not there": "UPDATE book_signals SET order_ref = 'nowhere'",
    "the hash chain holds": "UPDATE book_events SET data = replace(data, ':1', ':2') WHERE seq = 1",
    "the journal's fills give the book": """
        UPDATE book_events SET data = json_set(data, '$.price_micros', 1) WHERE type = 'fill'""",
}


def test_every_check_is_planted_once() -> None:
    assert set(PLANTED) == {*CHECKS, "the hash chain holds", "the journal's fills give the book"}


@pytest.mark.parametrize("name", PLANTED)
async def test_a_planted_violation_is_seen(tmp_path: Path, name: str) -> None:
    async with a_machine(tmp_path) as market:
        await market.bar({"QQQ": 0.8})
        await market.bar({"AAPL": 0.8})
        assert market.held() == {"QQQ": 29}
        market.check()
    with closing(sqlite3.connect(tmp_path / "trading_data.db")) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        assert not violations(connection)
        connection.execute(PLANTED[name])
        connection.commit()
        assert name in violations(connection)
