"""What has to be true of a book at every instant, read by plain SQL from its file and from nothing else.

Each check is a query that gives the violations; an empty answer is a yes. `test_invariants.py` shows that every one
of them sees the violation it is there for.
"""

import hashlib
import json
import sqlite3
from collections import defaultdict
from typing import Any

CHECKS = {
    "fills are the position": """
        SELECT symbol, sum(net) FROM (
            SELECT account, symbol, CASE side WHEN 'BUY' THEN quantity ELSE -quantity END AS net FROM book_fills
            UNION ALL SELECT account, symbol, -quantity FROM book_positions)
        GROUP BY account, symbol HAVING sum(net) <> 0""",
    "open lots are the position": """
        SELECT symbol, sum(shares), sum(cost) FROM (
            SELECT account, symbol, remaining AS shares, cost_micros AS cost FROM book_lots
            UNION ALL SELECT account, symbol, -quantity, -cost_micros FROM book_positions)
        GROUP BY account, symbol HAVING sum(shares) <> 0 OR sum(cost) <> 0""",
    "cash is what the fills and movements made of it": """
        SELECT a.account, a.cash_micros FROM book_accounts a
        WHERE a.cash_micros <> a.starting_cash_micros
          + (SELECT coalesce(sum((CASE side WHEN 'BUY' THEN -1 ELSE 1 END) * quantity * price_micros * multiplier
                                 - commission_micros), 0) FROM charged_fills f WHERE f.account = a.account)
          + (SELECT coalesce(sum(json_extract(data, '$.amount_micros')), 0) FROM book_events e
             WHERE e.account = a.account AND type = 'cash_moved')""",
    "cash is what was realised less what is held": """
        SELECT a.account, a.cash_micros FROM book_accounts a
        WHERE a.cash_micros <> a.starting_cash_micros
          + (SELECT coalesce(sum(realized_micros), 0) FROM charged_fills f WHERE f.account = a.account)
          - (SELECT coalesce(sum(cost_micros), 0) FROM book_positions p WHERE p.account = a.account)
          + (SELECT coalesce(sum(json_extract(data, '$.amount_micros')), 0) FROM book_events e
             WHERE e.account = a.account AND type = 'cash_moved')""",
    "cash is not below zero": "SELECT account, cash_micros FROM book_accounts WHERE cash_micros < 0",
    "what is reserved is covered by cash": """
        SELECT account, cash_micros, reserved_micros FROM book_accounts WHERE reserved_micros > cash_micros""",
    "reserved is the sum of the live locks": """
        SELECT a.account, a.reserved_micros, l.reserved FROM book_accounts a
        LEFT JOIN (SELECT account, sum(reserved_micros) AS reserved FROM book_locks WHERE released_us IS NULL
                   GROUP BY account) l ON l.account = a.account
        WHERE a.reserved_micros <> coalesce(l.reserved, 0)""",
    "never both sides of a family": """
        SELECT family, group_concat(symbol) FROM (
            SELECT account, family, direction, symbol FROM book_positions WHERE quantity > 0
            UNION ALL SELECT account, family, direction, symbol FROM book_locks WHERE released_us IS NULL)
        GROUP BY account, family HAVING count(DISTINCT direction) > 1""",
    "one working opening order a symbol": """
        SELECT symbol, count(*) FROM book_orders WHERE side = 'BUY'
              AND state IN ('created', 'working', 'cancelling', 'unknown')
        GROUP BY account, symbol HAVING count(*) > 1""",
    "working opening orders and live locks belong to one another": """
        SELECT order_ref FROM (
            SELECT order_ref, 1 AS n FROM book_orders WHERE side = 'BUY'
              AND state IN ('created', 'working', 'cancelling', 'unknown')
            UNION ALL SELECT order_ref, -1 FROM book_locks WHERE released_us IS NULL)
        GROUP BY order_ref HAVING sum(n) <> 0""",
    "live exits do not exceed what is held": """
        SELECT o.symbol, sum(o.quantity - o.filled), p.quantity FROM book_orders o
        LEFT JOIN book_positions p ON p.account = o.account AND p.symbol = o.symbol
        WHERE o.side = 'SELL' AND o.purpose <> 'protection'
              AND o.state IN ('created', 'working', 'cancelling', 'unknown')
        GROUP BY o.account, o.symbol HAVING sum(o.quantity - o.filled) > coalesce(p.quantity, 0)""",
    "stops that are not being taken back do not exceed what is held and may still be bought": """
        SELECT s.symbol, sum(s.quantity - g.filled), p.quantity FROM book_orders s
        JOIN (SELECT account, oca, sum(filled) AS filled FROM book_orders WHERE oca <> '' GROUP BY account, oca) g
            ON g.account = s.account AND g.oca = s.oca
        LEFT JOIN book_positions p ON p.account = s.account AND p.symbol = s.symbol
        LEFT JOIN (SELECT account, symbol, sum(quantity - filled) AS remaining FROM book_orders
                   WHERE side = 'BUY' AND state IN ('created', 'working', 'cancelling', 'unknown')
                   GROUP BY account, symbol) e ON e.account = s.account AND e.symbol = s.symbol
        WHERE s.purpose = 'protection' AND s.stop_micros IS NOT NULL AND s.state IN ('created', 'working')
        GROUP BY s.account, s.symbol
        HAVING sum(s.quantity - g.filled) > coalesce(p.quantity, 0) + coalesce(e.remaining, 0)""",
    "an exit of our own and protection never live together": """
        SELECT o.symbol, o.order_ref, p.order_ref FROM book_orders o JOIN book_orders p
            ON p.account = o.account AND p.symbol = o.symbol AND p.purpose = 'protection' AND o.purpose <> 'protection'
        WHERE o.side = 'SELL' AND o.state IN ('created', 'working', 'cancelling', 'unknown')
              AND p.state IN ('created', 'working', 'cancelling', 'unknown')""",
    "an order is filled by its fills and not beyond": """
        SELECT o.order_ref, o.quantity, o.filled, f.filled FROM book_orders o
        LEFT JOIN (SELECT order_ref, sum(CASE purpose WHEN 'reversal' THEN -quantity ELSE quantity END) AS filled
                   FROM book_fills GROUP BY order_ref) f
            ON f.order_ref = o.order_ref
        WHERE o.filled <> coalesce(f.filled, 0) OR o.filled > o.quantity""",
    "what is held has exits": """
        SELECT symbol FROM book_positions
        WHERE quantity > 0 AND (stop_micros IS NULL OR take_profit_micros IS NULL)""",
    "round trips realise what their fills realised": """
        SELECT symbol FROM (
            SELECT account, symbol, sum(realized_micros) AS realized FROM charged_fills GROUP BY account, symbol) f
        WHERE f.realized <> (SELECT coalesce(sum(pnl_micros), 0) FROM book_round_trips r
                             WHERE r.account = f.account AND r.symbol = f.symbol)
                          + (SELECT CASE WHEN quantity > 0 THEN realized_micros ELSE 0 END FROM book_positions p
                             WHERE p.account = f.account AND p.symbol = f.symbol)""",
    "the journal has no gap": """
        SELECT account, count(*), max(seq) FROM book_events GROUP BY account
        HAVING count(*) <> max(seq) OR min(seq) <> 1""",
    "no signal names an order that is not there": """
        SELECT id, order_ref FROM book_signals s
        WHERE order_ref <> '' AND NOT EXISTS (SELECT 1 FROM book_orders o WHERE o.order_ref = s.order_ref)""",
}


def violations(connection: sqlite3.Connection, *, but: frozenset[str] = frozenset()) -> dict[str, list[Any]]:
    """Every violation by the name of its check, of one snapshot; `but` leaves checks out."""
    connection.execute("BEGIN")
    try:
        found = {name: [tuple(row) for row in connection.execute(query)] for name, query in CHECKS.items()}
        found["the hash chain holds"] = broken_links(connection)
        found["the journal's fills give the book"] = unlike_the_journal(connection)
    finally:
        connection.execute("ROLLBACK")
    return {name: rows for name, rows in found.items() if rows and name not in but}


def broken_links(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Events whose hash is not the hash of their row and of the one before."""
    before: dict[str, str] = defaultdict(lambda: "0" * 64)
    broken = []
    rows = connection.execute("SELECT account, seq, type, symbol, at_us, data, hash FROM book_events ORDER BY 1, 2")
    for account, seq, type_, symbol, at_us, data, digest in rows:
        line = f"{before[account]}|{account}|{seq}|{type_}|{symbol}|{at_us}|{data}"
        if hashlib.sha256(line.encode()).hexdigest() != digest:
            broken.append((account, seq))
        before[account] = digest
    return broken


def unlike_the_journal(connection: sqlite3.Connection) -> list[tuple[str, Any, Any]]:
    """Where shares, cash or the exits of the book are not what adding up the journal gives."""
    shares: dict[str, int] = defaultdict(int)
    exits: dict[str, tuple[Any, Any]] = {}
    cash = 0
    for type_, symbol, text in connection.execute("SELECT type, symbol, data FROM book_events ORDER BY seq"):
        data = json.loads(text)
        if type_ == "account_opened":
            cash += data["starting_cash_micros"]
        elif type_ == "cash_moved":
            cash += data["amount_micros"]
        elif type_ == "commission":
            cash -= data["commission_micros"]
        elif type_ == "fill":
            side = 1 if data["side"] == "BUY" else -1
            shares[symbol] += side * data["quantity"]
            contract = 100 if len(symbol) > 14 else 1
            cash -= side * data["quantity"] * data["price_micros"] * contract + data["commission_micros"]
            exits[symbol] = (data["stop_micros"], data["take_profit_micros"])
        elif type_ == "stop_tightened":
            exits[symbol] = (data["stop_micros"], exits[symbol][1])
    book = dict(connection.execute("SELECT symbol, quantity FROM book_positions").fetchall())
    armed = {
        symbol: (stop, target)
        for symbol, stop, target in connection.execute(
            "SELECT symbol, stop_micros, take_profit_micros FROM book_positions"
        )
    }
    [(in_book,)] = connection.execute("SELECT sum(cash_micros) FROM book_accounts")
    unlike: list[tuple[str, Any, Any]] = [
        (symbol, shares[symbol], book.get(symbol, 0)) for symbol in sorted({*shares, *book})
    ]
    unlike = [row for row in unlike if row[1] != row[2]]
    unlike += [(symbol, exits[symbol], armed.get(symbol)) for symbol in exits if exits[symbol] != armed.get(symbol)]
    return unlike + ([("cash", cash, in_book)] if cash != in_book else [])
