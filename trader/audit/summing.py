"""What several rules ask of the executions, summed up once a look: by symbol, and by position from flat to flat."""

import sqlite3

_MADE = """
CREATE TEMP TABLE fill_sums (account, symbol, shares, cash_micros, realized_micros);
-- The execution that made each symbol's newest position.
CREATE TEMP TABLE created (account, symbol, seq, order_ref, family, direction, executed_us, price_micros, purpose,
                           stop_micros, take_profit_micros);
CREATE TEMP TABLE lives (account, symbol, life, held, bought, bought_micros, sold_micros, realized_micros, is_corrected,
                         first_id, last_id, opened_us, closed_us, last_execution, first_seq, last_seq, closing_reason,
                         closing_purpose, last_reason);
CREATE INDEX temp.lives_by_symbol ON lives (account, symbol, life);

-- How far the journal has brought an order: its state and the time of that, shares by executions, and those beyond what
-- was held. `at_us` is empty where nothing but its creation was told; the state too, where an execution of it was
-- corrected: it does not begin to work again.
CREATE TEMP TABLE progress (order_ref PRIMARY KEY, filled, filled_seq, is_corrected, told_seq, beyond, state, at_us);

CREATE TEMP TABLE newest_references (account, epoch, prefix, newest);

-- Round trips, numbered by symbol as lives are.
CREATE TEMP VIEW trips AS
SELECT *, row_number() OVER (PARTITION BY account, symbol ORDER BY id) - 1 AS life FROM main.book_round_trips;
"""

_SUMS = """
INSERT INTO fill_sums
SELECT :account, symbol, sum(iif(side = 'BUY', quantity, -quantity)),
       sum(iif(side = 'BUY', -quantity, quantity) * price_micros * iif(length(symbol) > 14, 100, 1)
           - commission_micros), sum(realized_micros)
FROM main.book_fills NOT INDEXED WHERE account = :account GROUP BY symbol
"""
"""Account by account: half the time of sorting by both."""

_REFERENCES = """
INSERT INTO newest_references
WITH digit (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM digit WHERE n < 6),
number (account, epoch, seven) AS (
    SELECT account, (SELECT max(epoch) FROM main.book_stamp), (
        SELECT group_concat(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 1 + (orders_made >> (5 * (6 - n)) & 31), 1), '')
        FROM digit)
    FROM main.book_accounts)
SELECT account, epoch, account || '-' || epoch || '-',
       account || '-' || epoch || '-' || substr(seven, -max(4, length(ltrim(seven, '0')))) FROM number
"""
"""The newest one that each account has given out: its number to the base of 32 has at least four digits."""

_CREATED = """
INSERT INTO created
SELECT f.account, f.symbol, f.seq, order_ref, f.family, f.direction, executed_us, price_micros, purpose, f.stop_micros,
       f.take_profit_micros
FROM (SELECT DISTINCT account, symbol FROM told_fills) s
JOIN told_fills f ON f.account = s.account AND f.symbol = s.symbol AND f.seq = (
    SELECT seq FROM told_fills t WHERE t.account = s.account AND t.symbol = s.symbol AND t.position_created
    ORDER BY seq DESC LIMIT 1)
"""

_LIVES = """
INSERT INTO lives (account, symbol, life, held, bought, bought_micros, sold_micros, realized_micros, is_corrected,
                   first_id, last_id)
SELECT account, symbol, life, sum(shares), sum(max(shares, 0)), sum(max(shares, 0) * price_micros),
       sum(max(-shares, 0) * price_micros), sum(realized_micros), max(is_corrected), min(id), max(id)
FROM (SELECT *, coalesce(sum(held = 0) OVER (PARTITION BY account, symbol ORDER BY id
                                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS life
      FROM (SELECT f.id, f.account, symbol, iif(side = 'BUY', quantity, -quantity) AS shares,
                   price_micros * iif(length(symbol) > 14, 100, 1) AS price_micros,
                   sum(iif(side = 'BUY', quantity, -quantity))
                       OVER (PARTITION BY f.account, symbol ORDER BY f.id) AS held,
                   realized_micros - coalesce(c.commission_micros, 0) AS realized_micros,
                   max(purpose = 'reversal') OVER (PARTITION BY f.account, symbol) AS is_corrected
            FROM main.book_fills f
            LEFT JOIN main.book_commissions c ON c.account = f.account AND c.execution_id = f.execution_id))
GROUP BY account, symbol, life
"""

_ENDS = """
UPDATE lives SET
    (opened_us, first_seq) = (SELECT f.executed_us, t.seq FROM main.book_fills f JOIN told_fills t
                              ON t.account = f.account AND t.execution_id = f.execution_id WHERE f.id = first_id),
    (closed_us, last_execution, last_seq, last_reason) = (
        SELECT f.executed_us, f.execution_id, t.seq, iif(o.purpose = 'protection', o.reason, f.purpose)
        FROM main.book_fills f JOIN told_fills t ON t.account = f.account AND t.execution_id = f.execution_id
        LEFT JOIN main.book_orders o ON o.order_ref = f.order_ref WHERE f.id = last_id)
"""

_CLOSINGS = """
UPDATE lives SET (closing_purpose, closing_reason) = (
    SELECT purpose, reason FROM told_closings c WHERE c.account = lives.account AND c.symbol = lives.symbol
      AND c.seq > first_seq AND (held <> 0 OR c.seq < last_seq) ORDER BY c.seq LIMIT 1)
"""

_FILLED = """
INSERT INTO progress (order_ref, filled, filled_seq, is_corrected)
SELECT order_ref, sum(iif(purpose = 'reversal', -quantity, quantity)), max(seq), max(purpose = 'reversal')
FROM told_fills
WHERE purpose <> 'adjust' GROUP BY order_ref
"""

_ENDED = """
INSERT INTO progress (order_ref, told_seq, beyond)
SELECT order_ref, max(seq), NULL FROM told_states WHERE TRUE GROUP BY order_ref
ON CONFLICT (order_ref) DO UPDATE SET told_seq = excluded.told_seq
"""

_BEYOND = """
UPDATE progress SET beyond = (
    SELECT s.filled - coalesce((SELECT sum(iif(f.purpose = 'reversal', -f.quantity, f.quantity)) FROM told_fills f
                                WHERE f.order_ref = s.order_ref AND f.purpose <> 'adjust' AND f.seq < s.seq), 0)
    FROM told_states s WHERE s.order_ref = progress.order_ref AND s.filled IS NOT NULL ORDER BY s.seq DESC LIMIT 1)
WHERE order_ref IN (SELECT order_ref FROM told_states WHERE filled IS NOT NULL)
"""

_REACHED = """
UPDATE progress SET (state, at_us) = (
    SELECT CASE WHEN coalesce(told_seq, 0) > coalesce(filled_seq, 0) THEN s.state
                WHEN is_corrected THEN NULL
                WHEN progress.filled + coalesce(beyond, 0) >= o.quantity THEN 'filled'
                WHEN coalesce(s.state, 'unknown') = 'unknown' THEN 'working'
                ELSE s.state END,
           iif(coalesce(told_seq, 0) > coalesce(filled_seq, 0), s.at_us, f.at_us)
    FROM told_orders o
    LEFT JOIN told_states s ON s.order_ref = o.order_ref AND s.seq = told_seq
    LEFT JOIN told_fills f ON f.account = o.account AND f.seq = filled_seq
    WHERE o.order_ref = progress.order_ref)
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, empty."""
    connection.executescript(_MADE)


def sum_up(connection: sqlite3.Connection) -> None:
    """Sum up what the book has now."""
    sum_fills(connection)
    for table in ("newest_references", "created", "lives", "progress"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608  (our own tables)
    for statement in (_REFERENCES, _CREATED, _LIVES, _ENDS, _CLOSINGS, _FILLED, _ENDED, _BEYOND, _REACHED):
        connection.execute(statement)


def sum_fills(connection: sqlite3.Connection) -> None:
    """Shares, cash and result of each symbol's executions."""
    connection.execute("DELETE FROM fill_sums")
    for row in connection.execute("SELECT account FROM main.book_accounts").fetchall():
        connection.execute(_SUMS, row)
