"""Orders: each asked for once and for a reason, filled by its executions, ended as the journal says."""

from trader.audit.plants import state_told
from trader.audit.rule import Named, Rule

ORDERS_ARE_FILLED = Rule(
    name="orders_are_filled",
    says="An order is filled by its executions, and never beyond what it asked for.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, printf('%d of %d filled, its executions make %d', o.filled, o.quantity,
                                              coalesce(p.filled, 0) + coalesce(p.beyond, 0))
        FROM main.book_orders o LEFT JOIN progress p ON p.order_ref = o.order_ref
        WHERE o.filled <> coalesce(p.filled, 0) + coalesce(p.beyond, 0) OR o.filled > o.quantity OR o.filled < 0""",
    plants=(
        "UPDATE book_orders SET filled = 5 WHERE order_ref = 'one-1-0004'",
        "UPDATE book_orders SET quantity = 19 WHERE order_ref = 'one-1-0003'",
        "UPDATE book_orders SET filled = -1 WHERE order_ref = 'one-1-0004'",
    ),
)

ORDERS_END_AS_TOLD = Rule(
    name="orders_end_as_told",
    says="An order is in the state that the journal has told last, or that its executions have brought it to.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, printf('it is %s, and was told as %s', o.state, p.state)
        FROM main.book_orders o JOIN reached p ON p.order_ref = o.order_ref
        WHERE o.state <> coalesce(p.state, o.state) OR o.updated_us <> coalesce(p.at_us, o.updated_us)
           OR (p.at_us IS NULL AND (o.state NOT IN ('created', 'working') OR o.updated_us < o.created_us
                                    OR (o.state = 'created' AND o.updated_us <> o.created_us)))""",
    plants=(
        "UPDATE book_orders SET state = 'cancelled' WHERE order_ref = 'one-1-0004'",
        "UPDATE book_orders SET updated_us = updated_us + 1 WHERE order_ref = 'one-1-0005'",
        "UPDATE book_orders SET updated_us = created_us - 1 WHERE order_ref = 'one-1-0006'",
        "UPDATE book_orders SET updated_us = updated_us + 1 WHERE order_ref = 'one-1-0001'",
        "UPDATE book_orders SET state = 'unknown' WHERE order_ref = 'one-1-0006'",
    ),
)

ORDERS_MOVE_LEGALLY = Rule(
    name="orders_move_legally",
    says="An order that has ended ends no second time and begins no more, and one that is cancelled does not work on.",
    over="told_states",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('it was told as %s after %s', state, before) FROM (
            SELECT account, order_ref, state, (
                SELECT b.state FROM told_states b WHERE b.order_ref = s.order_ref AND b.seq < s.seq
                ORDER BY b.seq DESC LIMIT 1) AS before
            FROM told_states s)
        WHERE state NOT IN ('working', 'cancelling', 'unknown', 'filled', 'cancelled', 'rejected')
           OR (before IN ('filled', 'cancelled', 'rejected') AND state NOT IN (before, 'filled'))
           OR (before = 'cancelling' AND state = 'working')""",
    plants=(
        state_told("one", "one-1-0004", "working"),
        state_told("one", "one-1-0003", "cancelling") + state_told("one", "one-1-0003", "working"),
        state_told("one", "one-1-0003", "lost"),
    ),
)

ENTRIES_HOLD_LOCKS = Rule(
    name="entries_hold_locks",
    says="Working entries and live locks belong to one another.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, 'its entry and its lock do not both live' FROM (
            SELECT account, order_ref, symbol FROM main.book_orders
            WHERE side = 'BUY' AND state IN ('created', 'working', 'cancelling', 'unknown')
            UNION ALL SELECT account, order_ref, symbol FROM main.book_locks WHERE released_us IS NULL)
        GROUP BY account, order_ref, symbol HAVING count(*) <> 2""",
    plants=("UPDATE book_orders SET state = 'filled' WHERE order_ref = 'one-1-0003'",),
)

ONE_WORKING_ENTRY = Rule(
    name="one_working_entry",
    says="A symbol never has two working entries at once.",
    over="main.book_locks",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('%s was still locked when it was locked again', symbol) FROM (
            SELECT l.account, l.symbol, l.order_ref, o.seq, max(coalesce(r.seq, 9e18)) OVER (
                PARTITION BY l.account, l.symbol ORDER BY o.seq
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS locked_until
            FROM main.book_locks l JOIN told_orders o ON o.order_ref = l.order_ref
            LEFT JOIN releases r ON r.account = l.account AND r.order_ref = l.order_ref)
        WHERE seq < locked_until""",
    plants=("UPDATE book_locks SET symbol = 'AAPL' WHERE order_ref = 'one-1-0004'",),
)

EXITS_WITHIN_HELD = Rule(
    name="exits_within_held",
    says="An exit never asks for more than is held, or was bought and is told later; not when it is made, nor later.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('it asks for %d of %d held', quantity, held)
        FROM (SELECT *, coalesce((
                  SELECT held FROM told_fills f WHERE f.account = o.account AND f.symbol = o.symbol AND f.seq < o.seq
                  ORDER BY f.seq DESC LIMIT 1), 0) AS held
              FROM told_orders o WHERE side = 'SELL' AND purpose NOT IN ('protection', 'adjust')) o
        WHERE quantity > held AND quantity > held + (
            SELECT coalesce(sum(quantity), 0) FROM told_fills f
            WHERE f.account = o.account AND f.symbol = o.symbol AND f.side = 'BUY' AND f.seq > o.seq
              AND f.executed_us <= o.at_us)
        UNION ALL
        SELECT o.account, max(o.order_ref), printf('%d live exits of %s, for %d shares each at most',
                                                   count(*), o.symbol, max(o.quantity - o.filled))
        FROM main.book_orders o LEFT JOIN main.book_positions p ON p.account = o.account AND p.symbol = o.symbol
        WHERE o.side = 'SELL' AND o.purpose <> 'protection'
          AND o.state IN ('created', 'working', 'cancelling', 'unknown')
        GROUP BY o.account, o.symbol
        HAVING max(o.quantity - o.filled) > coalesce(max(p.quantity), 0) OR count(*) > 1""",
    plants=(
        """
        UPDATE book_events SET data = json_set(data, '$.quantity', 11)
        WHERE account = 'one' AND json_extract(data, '$.order_ref') = 'one-1-0002' AND type = 'order_created'""",
        "UPDATE book_orders SET quantity = 101 WHERE order_ref = 'two-1-0002'",
        """
        INSERT INTO book_orders (order_ref, account, symbol, side, quantity, filled, state, purpose)
        VALUES ('two-1-0003', 'two', 'PSQ', 'SELL', 10, 0, 'working', 'exit')""",
    ),
)

EXITS_WORK_ALONE = Rule(
    name="exits_work_alone",
    says="An exit of ours and protection at the broker never live together.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, printf('%s lives beside it', p.order_ref) FROM main.book_orders o
        JOIN main.book_orders p ON p.account = o.account AND p.symbol = o.symbol AND p.purpose = 'protection'
        WHERE o.side = 'SELL' AND o.purpose <> 'protection'
          AND o.state IN ('created', 'working', 'cancelling', 'unknown')
          AND p.state IN ('created', 'working', 'cancelling', 'unknown')""",
    plants=(
        """
        INSERT INTO book_orders (order_ref, account, symbol, side, quantity, filled, state, purpose, oca)
        VALUES ('two-1-0003', 'two', 'PSQ', 'SELL', 100, 0, 'working', 'protection', 'two-1-0001')""",
    ),
)

STOPS_WITHIN_HELD = Rule(
    name="stops_within_held",
    says="Stops at the broker ask for no more than is held and a working entry may still buy.",
    over="main.book_orders",
    named=Named.SYMBOL,
    query="""
        SELECT account, symbol, printf('stops ask for %d shares more', sum(shares)) FROM (
            SELECT s.account, s.symbol, s.quantity - (
                SELECT sum(g.filled) FROM main.book_orders g
                WHERE g.account = s.account AND g.symbol = s.symbol AND g.oca = s.oca) AS shares
            FROM main.book_orders s
            WHERE s.purpose = 'protection' AND s.stop_micros IS NOT NULL AND s.state IN ('created', 'working')
            UNION ALL SELECT account, symbol, -quantity FROM main.book_positions WHERE quantity > 0
            UNION ALL SELECT account, symbol, filled - quantity FROM main.book_orders
                      WHERE side = 'BUY' AND state IN ('created', 'working', 'cancelling', 'unknown'))
        GROUP BY account, symbol HAVING sum(shares) > 0""",
    plants=(
        """
        INSERT INTO book_orders (order_ref, account, symbol, side, quantity, filled, state, purpose, oca, stop_micros)
        VALUES ('one-1-0005', 'one', 'AAPL', 'SELL', 31, 0, 'working', 'protection', 'one-1-0003', 197200000)""",
    ),
)

PROTECTION_IN_PAIRS = Rule(
    name="protection_in_pairs",
    says="Protection at the broker is a stop and a target of one symbol and quantity, in one group.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT account, min(order_ref), printf('group %s has %d orders', oca, count(*)) FROM main.book_orders
        WHERE purpose = 'protection' GROUP BY account, oca
        HAVING oca = '' OR count(*) <> 2 OR count(stop_micros) <> 1 OR count(limit_micros) <> 1
            OR min(symbol) <> max(symbol) OR min(quantity) <> max(quantity) OR min(side) <> 'SELL'
        UNION ALL
        SELECT account, order_ref, 'it is no protection and has a group' FROM main.book_orders
        WHERE purpose <> 'protection' AND (oca <> '' OR stop_micros IS NOT NULL)""",
    plants=(
        "UPDATE book_orders SET oca = 'a group' WHERE order_ref = 'one-1-0004'",
        "UPDATE book_orders SET quantity = 19 WHERE order_ref = 'one-1-0005'",
        "DELETE FROM book_orders WHERE order_ref = 'one-1-0006'",
    ),
)

ORDERS_HAVE_INTENTS = Rule(
    name="orders_have_intents",
    says="Each entry follows from a signal that was kept, and each signal that was ordered has its order.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, printf('signal %s does not say that it ordered it', o.signal_id)
        FROM main.book_orders o LEFT JOIN main.book_signals s ON s.account = o.account AND s.id = o.signal_id
        WHERE o.purpose = 'entry' AND (s.outcome, s.order_ref) IS NOT ('ordered', o.order_ref)
        UNION ALL
        SELECT s.account, s.id, printf('order %s was not made of it', s.order_ref) FROM main.book_signals s
        LEFT JOIN main.book_orders o ON o.order_ref = s.order_ref AND o.account = s.account
        WHERE (s.outcome = 'ordered' OR s.order_ref <> '') AND o.signal_id IS NOT s.id""",
    plants=(
        "DELETE FROM book_signals WHERE account = 'one' AND id = 'S-0004'",
        "UPDATE book_signals SET order_ref = 'one-1-0002' WHERE account = 'one' AND id = 'S-0002'",
    ),
)

FILLS_HAVE_ORDERS = Rule(
    name="fills_have_orders",
    says="Each execution is of an order of ours, on its symbol and side, unless it was taken in as somebody else's.",
    over="main.book_fills",
    named=Named.EXECUTION,
    query="""
        SELECT f.account, f.execution_id, printf('order %s is not there, or another one', f.order_ref)
        FROM main.book_fills f
        LEFT JOIN main.book_orders o ON o.order_ref = f.order_ref AND o.account = f.account AND o.symbol = f.symbol
        WHERE (f.purpose <> 'adjust' AND o.order_ref IS NULL AND f.purpose <> 'reversal')
           OR (f.purpose NOT IN ('adjust', 'reversal') AND f.side <> o.side)
           OR (f.purpose IN ('entry', 'exit', 'eod', 'manual')
               AND f.purpose <> iif(o.purpose = 'protection', 'exit', o.purpose))""",
    plants=(
        "UPDATE book_fills SET order_ref = 'one-1-0001' WHERE id = 4",
        "UPDATE book_fills SET side = 'SELL' WHERE id = 4",
        "UPDATE book_fills SET purpose = 'eod' WHERE id = 3",
    ),
)

BROKER_IDS_ONCE = Rule(
    name="broker_ids_once",
    says="No two orders of an account are one at the broker.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT account, max(order_ref), printf('permId %d is of %d orders', perm_id, count(*)) FROM main.book_orders
        WHERE perm_id IS NOT NULL GROUP BY account, perm_id HAVING count(*) > 1""",
    plants=("UPDATE book_orders SET perm_id = 13 WHERE order_ref = 'one-1-0004'",),
)

REFERENCES_ARE_OWN = Rule(
    name="references_are_own",
    says="An order's reference is of its account, and of a number that the account has given out.",
    over="main.book_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, 'its reference was not given out' FROM main.book_orders o
        LEFT JOIN newest_references n ON n.account = o.account
        WHERE substr(o.order_ref, 1, length(n.account) + 1) IS NOT n.account || '-'
           OR CAST(substr(o.order_ref, length(n.account) + 2) AS INTEGER) > n.epoch
           OR (substr(o.order_ref, 1, length(n.prefix)) = n.prefix
               AND (length(o.order_ref), o.order_ref) > (length(n.newest), n.newest))""",
    plants=(
        "UPDATE book_accounts SET orders_made = 3 WHERE account = 'one'",
        "UPDATE book_stamp SET epoch = 0",
        "UPDATE book_orders SET account = 'two' WHERE order_ref = 'one-1-0004'",
    ),
)

ORDERS = (
    ORDERS_ARE_FILLED,
    ORDERS_END_AS_TOLD,
    ORDERS_MOVE_LEGALLY,
    ENTRIES_HOLD_LOCKS,
    ONE_WORKING_ENTRY,
    EXITS_WITHIN_HELD,
    EXITS_WORK_ALONE,
    STOPS_WITHIN_HELD,
    PROTECTION_IN_PAIRS,
    ORDERS_HAVE_INTENTS,
    FILLS_HAVE_ORDERS,
    BROKER_IDS_ONCE,
    REFERENCES_ARE_OWN,
)
