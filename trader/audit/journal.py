"""The journal, and that every table says what it says: nothing was changed behind its back."""

from trader.audit.plants import drifting, sold, told
from trader.audit.rule import Named, Rule

CHAIN_IS_INTACT = Rule(
    name="chain_is_intact",
    says="The journal has no gap, and the hash of each event covers it and the one before.",
    over="main.book_events",
    named=Named.EVENT,
    query="SELECT account, seq, said FROM broken_links",
    plants=("UPDATE book_events SET symbol = 'TQQQ' WHERE account = 'one' AND seq = 5",),
)

JOURNAL_HAS_NO_GAP = Rule(
    name="journal_has_no_gap",
    says="Events are numbered from 1, without a gap, and there are as many as were written.",
    over="main.book_events",
    named=Named.ROW,
    query="""
        SELECT account, account,
               printf('%d events up to number %d, and %d were written', count(seq), max(seq), journal_events)
        FROM main.book_accounts LEFT JOIN main.book_events USING (account)
        GROUP BY account HAVING count(seq) <> journal_events OR max(seq) <> journal_events""",
    plants=(
        "DELETE FROM book_events WHERE account = 'two' AND seq = 4",
        """
        DELETE FROM book_events WHERE account = 'two'
          AND seq = (SELECT max(seq) FROM book_events WHERE account = 'two')""",
    ),
)

JOURNAL_OPENS_ACCOUNT = Rule(
    name="journal_opens_account",
    says="Each account's journal begins with its opening, once, and with the cash that it began with.",
    over="main.book_accounts",
    named=Named.ROW,
    query="""
        SELECT a.account, a.account, printf('it began with %.6f USD', starting_cash_micros / 1e6)
        FROM main.book_accounts a
        WHERE (SELECT group_concat(seq || ' ' || t.starting_cash_micros) FROM told_accounts t
               WHERE t.account = a.account)
              IS NOT '1 ' || starting_cash_micros
          AND EXISTS (SELECT 1 FROM main.book_events e WHERE e.account = a.account)""",
    plants=("UPDATE book_accounts SET starting_cash_micros = starting_cash_micros + 1 WHERE account = 'two'",),
)

EXECUTIONS_AS_TOLD = Rule(
    name="executions_as_told",
    says="Executions are those of the journal, in every column.",
    over="told_fills",
    named=Named.EXECUTION,
    query="""
        SELECT t.account, t.execution_id, 'the journal tells it otherwise' FROM told_fills t
        LEFT JOIN main.book_fills f ON f.account = t.account AND f.execution_id = t.execution_id
        WHERE (f.order_ref, f.symbol, f.side, f.quantity, f.price_micros, f.commission_micros, f.realized_micros,
               f.purpose, f.reason, f.executed_us, f.booked_us)
            IS NOT (t.order_ref, t.symbol, t.side, t.quantity, t.price_micros, t.commission_micros, t.realized_micros,
                    t.purpose, t.reason, t.executed_us, t.at_us)
        UNION ALL
        SELECT f.account, f.execution_id, 'the journal does not tell of it' FROM main.book_fills f
        LEFT JOIN told_fills t ON t.account = f.account AND t.execution_id = f.execution_id
        WHERE t.seq IS NULL""",
    plants=(
        "UPDATE book_fills SET reason = 'stop' WHERE id = 3",
        "INSERT INTO book_fills (id, account, execution_id) VALUES (5, 'two', 'X2')",
    ),
)

EXECUTIONS_IN_ORDER = Rule(
    name="executions_in_order",
    says="Executions are numbered in the order in which the journal tells them.",
    over="told_fills",
    named=Named.EXECUTION,
    query="""
        SELECT account, execution_id, printf('it has number %d', id) FROM (
            SELECT t.account, t.execution_id, f.id,
                   f.id <= lag(f.id) OVER (PARTITION BY t.account ORDER BY t.seq) AS is_late
            FROM told_fills t JOIN main.book_fills f ON f.account = t.account AND f.execution_id = t.execution_id)
        WHERE is_late""",
    plants=("UPDATE book_fills SET id = 8 - id",),
)

RESULTS_FOLLOW = Rule(
    name="results_follow",
    says="What the journal says is held after an execution follows from the executions before it.",
    over="told_fills",
    named=Named.EXECUTION,
    query="""
        SELECT account, execution_id, printf('%d held after it, and %d follow', held, before + shares) FROM (
            SELECT *, iif(side = 'BUY', quantity, -quantity) AS shares, coalesce((
                SELECT held FROM told_fills b WHERE b.account = t.account AND b.symbol = t.symbol AND b.seq < t.seq
                ORDER BY b.seq DESC LIMIT 1), 0) AS before
            FROM told_fills t)
        WHERE held IS NOT before + shares OR held < 0 OR position_created <> (before = 0 AND shares > 0)""",
    plants=(
        """
        UPDATE book_events SET data = json_set(data, '$.held', 19)
        WHERE account = 'one' AND json_extract(data, '$.execution_id') = 'X3' AND type = 'fill'""",
        "UPDATE book_events SET data = json_set(data, '$.position_created', 0) WHERE account = 'one' AND seq = 6",
        """
        UPDATE book_events SET data = json_set(data, '$.quantity', 11, '$.held', -1)
        WHERE account = 'one' AND seq = 9""",
    ),
)

COMMISSIONS_AS_TOLD = Rule(
    name="commissions_as_told",
    says="Commissions that came late are those of the journal, each of an execution that had none.",
    over="told_commissions",
    named=Named.EXECUTION,
    query="""
        SELECT t.account, t.execution_id, 'the journal tells its commission otherwise' FROM told_commissions t
        LEFT JOIN main.book_commissions c ON c.account = t.account AND c.execution_id = t.execution_id
        LEFT JOIN main.book_fills f ON f.account = t.account AND f.execution_id = t.execution_id
        WHERE (c.commission_micros, c.booked_us, f.commission_micros) IS NOT (t.commission_micros, t.at_us, 0)
        UNION ALL
        SELECT c.account, c.execution_id, 'the journal does not tell of it' FROM main.book_commissions c
        WHERE NOT EXISTS (SELECT 1 FROM told_commissions t
                          WHERE t.account = c.account AND t.execution_id = c.execution_id)""",
    plants=(
        "UPDATE book_commissions SET booked_us = booked_us + 1",
        "INSERT INTO book_commissions (account, execution_id, commission_micros) VALUES ('two', 'X1', 1)",
    ),
)

MOVEMENTS_AS_TOLD = Rule(
    name="movements_as_told",
    says="Cash movements of statements are those of the journal, each once.",
    over="told_cash",
    named=Named.ROW,
    query="""
        SELECT account, movement, 'journal and table do not both have it once' FROM (
            SELECT account, movement, at_us AS booked_us FROM told_cash WHERE movement IS NOT NULL
            UNION ALL SELECT account, movement, booked_us FROM main.book_cash_movements)
        GROUP BY account, movement HAVING count(*) <> 2 OR min(booked_us) <> max(booked_us)""",
    plants=("UPDATE book_cash_movements SET movement = 'M2'",),
)

ORDERS_AS_TOLD = Rule(
    name="orders_as_told",
    says="Orders are those of the journal, and ask for what it says.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT t.account, t.order_ref, 'the journal tells it otherwise' FROM told_orders t
        LEFT JOIN main.book_orders o ON o.order_ref = t.order_ref
        WHERE (o.account, o.symbol, o.side, o.quantity, o.limit_micros, o.purpose, o.reason, o.signal_id, o.created_us,
               o.stop_micros, o.oca)
            IS NOT (t.account, t.symbol, t.side, t.quantity, t.limit_micros, t.purpose, t.reason, t.signal_id, t.at_us,
                    t.stop_micros, coalesce(t.oca, ''))
        UNION ALL
        SELECT o.account, o.order_ref, 'the journal does not tell of it' FROM main.book_orders o
        LEFT JOIN told_orders t ON t.order_ref = o.order_ref WHERE t.seq IS NULL""",
    plants=(
        "UPDATE book_orders SET limit_micros = limit_micros + 1 WHERE order_ref = 'one-1-0004'",
        "INSERT INTO book_orders (order_ref, account) VALUES ('one-1-0099', 'one')",
    ),
)

LOCKS_AS_TOLD = Rule(
    name="locks_as_told",
    says="Each entry has its lock, taken and released as the journal says.",
    over="main.book_locks",
    named=Named.ORDER,
    query="""
        SELECT t.account, t.order_ref, 'the journal tells its lock otherwise' FROM told_orders t
        LEFT JOIN main.book_locks l ON l.order_ref = t.order_ref
        LEFT JOIN releases r ON r.account = t.account AND r.order_ref = t.order_ref
        WHERE t.purpose = 'entry' AND ((l.account, l.symbol, l.family, l.direction, l.takes_slot, l.acquired_us,
                                        l.released_us, l.evidence)
            IS NOT (t.account, t.symbol, t.family, t.direction, t.takes_slot, t.at_us, r.at_us, r.evidence)
            OR l.reserved_micros > t.reserved_micros OR (r.seq IS NOT NULL AND l.reserved_micros <> 0))
        UNION ALL
        SELECT l.account, l.order_ref, 'the journal does not tell of its lock' FROM main.book_locks l
        LEFT JOIN told_orders t ON t.order_ref = l.order_ref WHERE t.purpose IS NOT 'entry'""",
    plants=(
        "UPDATE book_locks SET evidence = 'nothing' WHERE order_ref = 'one-1-0004'",
        "INSERT INTO book_locks (order_ref, account) VALUES ('one-1-0002', 'one')",
        "UPDATE book_locks SET reserved_micros = 1 WHERE order_ref = 'one-1-0004'",
        "UPDATE book_locks SET reserved_micros = 6031000001 WHERE order_ref = 'one-1-0003'",
    ),
)

HALTS_AS_TOLD = Rule(
    name="halts_as_told",
    says="Halts are those of the journal, and so is what has cleared them.",
    over="main.book_halts",
    named=Named.ROW,
    query="""
        SELECT account, key, 'journal and table do not both have this halt, or its end' FROM (
            SELECT account, trim(scope || ':' || target, ':') AS key, reason, since_us AS at_us FROM main.book_halts
            UNION ALL SELECT account, trim(scope || ':' || target, ':'), cleared_reason, cleared_us FROM main.book_halts
                      WHERE cleared_us IS NOT NULL
            UNION ALL SELECT account, key, reason, at_us FROM halts_begun
            UNION ALL SELECT account, key, reason, at_us FROM told_resumes)
        GROUP BY account, key, reason, at_us HAVING count(*) % 2 <> 0
        UNION ALL
        SELECT h.account, h.target, 'whether it flattens is told otherwise' FROM main.book_halts h
        WHERE h.flattens <> EXISTS (
            SELECT 1 FROM told_halts t
            WHERE t.account = h.account AND (t.scope, t.target) = (h.scope, h.target) AND t.flattens
              AND (h.since_us, h.reason) = (
                  SELECT b.at_us, b.reason FROM halts_begun b
                  WHERE b.account = t.account AND b.key = trim(t.scope || ':' || t.target, ':') AND b.seq <= t.seq
                  ORDER BY b.seq DESC LIMIT 1))""",
    plants=(
        "UPDATE book_halts SET cleared_us = NULL, cleared_reason = NULL",
        "UPDATE book_halts SET flattens = 1",
    ),
)

LATCHES_AS_TOLD = Rule(
    name="latches_as_told",
    says="Breakers have tripped as the journal says, and were cleared by whom it says.",
    over="main.book_latches",
    named=Named.ROW,
    query="""
        SELECT account, trim(breaker || ':' || target, ':'), 'journal and table do not both have it' FROM (
            SELECT account, breaker, target, scope, cause, measured, limit_value, inputs, formula, flattens,
                   tripped_us AS at_us FROM main.book_latches
            UNION ALL SELECT account, breaker, target, scope, cause, measured, limit_value, inputs, formula, flattens,
                             at_us FROM told_trips
            UNION ALL SELECT account, breaker, target, 'cleared', cleared_reason, NULL, NULL, cleared_by, NULL, NULL,
                             cleared_us FROM main.book_latches WHERE cleared_us IS NOT NULL
            UNION ALL SELECT account, breaker, target, 'cleared', reason, NULL, NULL, cleared_by, NULL, NULL, at_us
                      FROM told_clearings)
        GROUP BY account, breaker, target, scope, cause, measured, limit_value, inputs, formula, flattens, at_us
        HAVING count(*) <> 2""",
    plants=(
        "UPDATE book_latches SET cleared_us = NULL, cleared_by = NULL, cleared_reason = NULL",
        "UPDATE book_latches SET measured = 26",
        "UPDATE book_latches SET flattens = 1",
        "DELETE FROM book_latches",
    ),
)

DAYS_AS_TOLD = Rule(
    name="days_as_told",
    says="Days are those of the journal, with the equity that it says.",
    over="main.book_days",
    named=Named.ROW,
    query="""
        SELECT account, day, 'journal and table do not both have it' FROM (
            SELECT account, day, started_us, opening_equity_micros FROM main.book_days
            UNION ALL SELECT account, day, at_us, opening_equity_micros FROM told_days)
        GROUP BY account, day, started_us, opening_equity_micros HAVING count(*) <> 2""",
    plants=("UPDATE book_days SET opening_equity_micros = 0 WHERE account = 'two'",),
)

DRIFT_AS_TOLD = Rule(
    name="drift_as_told",
    says="Shares that book and broker do not agree on are those of the journal.",
    over="main.book_positions",
    named=Named.ROW,
    query="""
        SELECT account, symbol, 'journal and table do not agree on what differs' FROM (
            SELECT account, symbol, since_us, broker FROM main.book_drift
            UNION ALL
            SELECT account, symbol, at_us, broker - coalesce((
                SELECT sum(quantity) FROM told_fills f WHERE f.account = d.account AND f.symbol = d.symbol
                  AND f.seq > d.seq AND f.side = 'SELL' AND f.corrects IS NULL), 0)
            FROM (SELECT *, max(seq) FROM told_drift GROUP BY account, symbol) d
            WHERE NOT EXISTS (SELECT 1 FROM told_agreements a
                              WHERE a.account = d.account AND a.symbol = d.symbol AND a.seq > d.seq))
        GROUP BY account, symbol, since_us, broker HAVING count(*) <> 2
        UNION ALL
        SELECT d.account, d.symbol, printf('%d shares are said to be held', d.book) FROM main.book_drift d
        LEFT JOIN main.book_positions p ON p.account = d.account AND p.symbol = d.symbol
        WHERE d.book <> coalesce(p.quantity, 0)""",
    plants=(
        "INSERT INTO book_drift (account, symbol, book, broker, since_us) VALUES ('one', 'JD', 0, 7, 1)",
        told("two", "drift_found", "PSQ", book=100, broker=90) + drifting(book=99, broker=90),
        told("two", "drift_found", "PSQ", book=100, broker=90)
        + sold("two", "PSQ", 10, direction=-1, family="QQQ")
        + sold("two", "PSQ", 30, direction=-1, family="QQQ")
        + drifting(book=100, broker=80),
        told("two", "drift_found", "PSQ", book=100, broker=90)
        + sold("two", "PSQ", 10, direction=-1, family="QQQ")
        + drifting(book=100, broker=90),
    ),
)

CASH_DRIFT_AS_TOLD = Rule(
    name="cash_drift_as_told",
    says="Cash that book and broker do not agree on is that of the journal.",
    over="main.book_accounts",
    named=Named.ROW,
    query="""
        SELECT account, account, 'journal and table do not agree on what differs' FROM (
            SELECT account, since_us, book_micros, broker_micros FROM main.book_cash_drift
            UNION ALL SELECT account, at_us, book_micros, broker_micros FROM open_cash_drift)
        GROUP BY account, since_us, book_micros, broker_micros HAVING count(*) <> 2""",
    plants=("INSERT INTO book_cash_drift (account, book_micros, broker_micros, since_us) VALUES ('two', 1, 2, 3)",),
)

JOURNAL = (
    CHAIN_IS_INTACT,
    JOURNAL_HAS_NO_GAP,
    JOURNAL_OPENS_ACCOUNT,
    EXECUTIONS_AS_TOLD,
    EXECUTIONS_IN_ORDER,
    RESULTS_FOLLOW,
    COMMISSIONS_AS_TOLD,
    MOVEMENTS_AS_TOLD,
    ORDERS_AS_TOLD,
    LOCKS_AS_TOLD,
    HALTS_AS_TOLD,
    LATCHES_AS_TOLD,
    DAYS_AS_TOLD,
    DRIFT_AS_TOLD,
    CASH_DRIFT_AS_TOLD,
)
