"""Shares, lots and cash: what the executions made of them, to the share and to the micro."""

from trader.audit.plants import told
from trader.audit.rule import Named, Rule

FILLS_ARE_POSITIONS = Rule(
    name="fills_are_positions",
    says="What was bought less what was sold is what is held.",
    over="main.book_fills",
    named=Named.SYMBOL,
    query="""
        SELECT account, symbol, printf('its executions make %d shares, its position has %d', sum(made), sum(held))
        FROM (
            SELECT account, symbol, shares AS made, 0 AS held FROM fill_sums
            UNION ALL SELECT account, symbol, 0, quantity FROM main.book_positions)
        GROUP BY account, symbol HAVING sum(made) <> sum(held)""",
    plants=("UPDATE book_positions SET quantity = quantity + 1 WHERE symbol = 'AAPL'",),
)

LOTS_ARE_POSITIONS = Rule(
    name="lots_are_positions",
    says="Open lots have the shares and the cost of their position.",
    over="main.book_lots",
    named=Named.SYMBOL,
    query="""
        SELECT account, symbol,
               printf('lots and position differ by %d shares and %.6f USD', sum(shares), sum(cost) / 1e6)
        FROM (
            SELECT account, symbol, remaining AS shares, cost_micros AS cost FROM main.book_lots
            WHERE remaining <> 0
            UNION ALL SELECT account, symbol, -quantity, -cost_micros FROM main.book_positions)
        GROUP BY account, symbol HAVING sum(shares) <> 0 OR sum(cost) <> 0""",
    plants=(
        "UPDATE book_lots SET cost_micros = cost_micros - 1 WHERE symbol = 'AAPL'",
        "UPDATE book_lots SET remaining = remaining - 1 WHERE symbol = 'PSQ'",
    ),
)

LOTS_ARE_BOUGHT = Rule(
    name="lots_are_bought",
    says="Each purchase has one lot, of its symbol and time, with no more shares than it bought.",
    over="main.book_lots",
    named=Named.EXECUTION,
    query="""
        SELECT f.account, f.execution_id, 'its lot is another one' FROM main.book_fills f
        LEFT JOIN main.book_lots l ON l.account = f.account AND l.execution_id = f.execution_id
        WHERE f.side = 'BUY' AND ((l.symbol, l.opened_us) IS NOT (f.symbol, f.executed_us)
            OR l.remaining NOT BETWEEN 0 AND f.quantity OR (l.remaining = 0) <> (l.cost_micros = 0))
        UNION ALL
        SELECT l.account, l.execution_id, 'nothing was bought by it' FROM main.book_lots l
        LEFT JOIN main.book_fills f ON f.account = l.account AND f.execution_id = l.execution_id
        WHERE f.side IS NOT 'BUY'""",
    plants=(
        "DELETE FROM book_lots WHERE account = 'one' AND execution_id = 'X1'",
        "INSERT INTO book_lots (account, execution_id, remaining, cost_micros) VALUES ('one', 'X2', 0, 0)",
        "UPDATE book_lots SET cost_micros = 1 WHERE account = 'one' AND execution_id = 'X1'",
    ),
)

CASH_IS_TRADED = Rule(
    name="cash_is_traded",
    says="Cash is what it began with, and what executions, commissions and movements made of it.",
    over="main.book_fills",
    named=Named.ROW,
    query="""
        SELECT account, account, printf('cash is %.6f USD, and %.6f follows', cash_micros / 1e6, made / 1e6) FROM (
            SELECT account, cash_micros, starting_cash_micros
                + coalesce((SELECT sum(f.cash_micros) FROM fill_sums f WHERE f.account = a.account), 0)
                - coalesce((SELECT sum(commission_micros) FROM main.book_commissions c WHERE c.account = a.account), 0)
                + coalesce((SELECT sum(amount_micros) FROM told_cash m WHERE m.account = a.account), 0) AS made
            FROM main.book_accounts a)
        WHERE cash_micros <> made""",
    plants=("UPDATE book_accounts SET cash_micros = cash_micros + 1 WHERE account = 'two'",),
)

EQUITY_IS_REALIZED = Rule(
    name="equity_is_realized",
    says="Cash and the cost of what is held are what came in and what was realised.",
    over="main.book_fills",
    named=Named.ROW,
    query="""
        SELECT account, account, printf('cash is %.6f USD, and %.6f follows', cash_micros / 1e6, made / 1e6) FROM (
            SELECT account, cash_micros, starting_cash_micros
                + coalesce((SELECT sum(l.realized_micros) FROM lives l WHERE l.account = a.account), 0)
                - coalesce((SELECT sum(commission_micros) FROM main.book_commissions c WHERE c.account = a.account), 0)
                - coalesce((SELECT sum(cost_micros) FROM main.book_positions p WHERE p.account = a.account), 0)
                + coalesce((SELECT sum(amount_micros) FROM told_cash m WHERE m.account = a.account), 0) AS made
            FROM main.book_accounts a)
        WHERE cash_micros <> made""",
    plants=(
        """
        UPDATE book_events SET data = json_set(data, '$.realized_micros', 1)
        WHERE account = 'one' AND json_extract(data, '$.execution_id') = 'X3' AND type = 'fill'""",
    ),
)

RESERVED_IS_LOCKED = Rule(
    name="reserved_is_locked",
    says="Reserved cash is that of the live locks.",
    over="main.book_locks",
    named=Named.ROW,
    query="""
        SELECT account, account, printf('%.6f USD reserved, %.6f locked', reserved_micros / 1e6, locked / 1e6) FROM (
            SELECT account, reserved_micros, coalesce((
                SELECT sum(reserved_micros) FROM main.book_locks l WHERE l.account = a.account), 0) AS locked
            FROM main.book_accounts a)
        WHERE reserved_micros <> locked""",
    plants=("UPDATE book_accounts SET reserved_micros = reserved_micros + 1 WHERE account = 'two'",),
)

RESERVED_IS_COVERED = Rule(
    name="reserved_is_covered",
    says="Cash covers what is reserved.",
    over="main.book_accounts",
    named=Named.ROW,
    query="""
        SELECT account, account, printf('%.2f USD are reserved of %.2f', reserved_micros / 1e6, cash_micros / 1e6)
        FROM main.book_accounts WHERE reserved_micros > cash_micros""",
    plants=("UPDATE book_accounts SET reserved_micros = cash_micros + 1 WHERE account = 'one'",),
)

EXECUTIONS_ONCE = Rule(
    name="executions_once",
    says="An execution counts once, and of those that correct one another only the last.",
    over="main.book_fills",
    named=Named.EXECUTION,
    query="""
        SELECT account, execution_id, printf('it is booked %d times', count(*)) FROM main.book_fills
        GROUP BY account, execution_id HAVING count(*) > 1
        UNION ALL
        SELECT f.account, max(f.execution_id), printf('%d revisions of it count', count(*)) FROM main.book_fills f
        WHERE f.execution_id GLOB '*.*.*.[0-9]*' AND NOT EXISTS (
            SELECT 1 FROM main.book_fills r
            WHERE r.account = f.account AND r.execution_id = 'reversal-of-' || f.execution_id)
        GROUP BY f.account, rtrim(f.execution_id, '0123456789') HAVING count(*) > 1""",
    plants=(
        """
        INSERT INTO book_fills (id, account, execution_id)
        SELECT 5, account, execution_id FROM book_fills WHERE id = 3""",
        """
        UPDATE book_fills SET execution_id = '0000e0d5.6576fd38.01.01' WHERE id = 1;
        UPDATE book_fills SET execution_id = '0000e0d5.6576fd38.01.02' WHERE id = 3""",
    ),
)

REVERSALS_UNDO = Rule(
    name="reversals_undo",
    says="A reversal undoes one execution, whole, on the other side and at the same price.",
    over="main.book_fills",
    named=Named.EXECUTION,
    query="""
        SELECT r.account, r.execution_id, 'it does not undo what it says' FROM main.book_fills r
        LEFT JOIN main.book_fills f ON f.account = r.account AND 'reversal-of-' || f.execution_id = r.execution_id
        WHERE r.purpose = 'reversal' AND ((f.symbol, f.quantity, f.price_micros, f.executed_us)
            IS NOT (r.symbol, r.quantity, r.price_micros, r.executed_us) OR f.side = r.side)""",
    plants=(
        """
        INSERT INTO book_fills (id, account, execution_id, symbol, side, quantity, price_micros, purpose)
        VALUES (5, 'one', 'reversal-of-X3', 'AAPL', 'SELL', 19, 200000000, 'reversal')""",
        """
        INSERT INTO book_fills (id, account, execution_id, symbol, side, quantity, price_micros, executed_us, purpose)
        SELECT 5, account, 'reversal-of-X3', symbol, side, quantity, price_micros, executed_us, 'reversal'
        FROM book_fills WHERE id = 4""",
    ),
)

ROUND_TRIPS_ARE_REALIZED = Rule(
    name="round_trips_are_realized",
    says="Round trips, and the position that is open, have realised what their executions realised.",
    over="main.book_round_trips",
    named=Named.SYMBOL,
    query="""
        SELECT account, symbol, printf('%.6f USD are too much or too little', sum(realized) / 1e6) FROM (
            SELECT account, symbol, realized_micros AS realized FROM lives
            UNION ALL SELECT c.account, f.symbol, -c.commission_micros FROM main.book_commissions c
                      JOIN main.book_fills f ON f.account = c.account AND f.execution_id = c.execution_id
            UNION ALL SELECT account, symbol, -pnl_micros FROM main.book_round_trips
            UNION ALL SELECT account, symbol, -realized_micros FROM main.book_positions WHERE quantity > 0)
        GROUP BY account, symbol HAVING sum(realized) <> 0""",
    plants=("UPDATE book_round_trips SET pnl_micros = pnl_micros + 1",),
)

ROUND_TRIPS_ARE_LIVES = Rule(
    name="round_trips_are_lives",
    says="Each position from flat to flat has its round trip, with what its executions bought and sold, and when.",
    over="main.book_round_trips",
    named=Named.EXECUTION,
    query="""
        SELECT t.account, t.closed_by, printf('the round trip of %s that it ended is another one', t.symbol)
        FROM main.book_round_trips t
        LEFT JOIN whole_lives l ON l.account = t.account AND l.last_execution = t.closed_by AND l.held = 0
        LEFT JOIN told_closings c ON c.rowid = l.closing
        LEFT JOIN main.book_orders o ON o.order_ref = l.last_order AND o.purpose = 'protection'
        WHERE (t.account, t.symbol) NOT IN (SELECT account, symbol FROM corrected)
          AND (t.symbol, t.opened_us, t.closed_us, t.quantity, t.bought_micros, t.sold_micros, t.pnl_micros,
               t.exit_reason)
            IS NOT (l.symbol, l.opened_us, l.closed_us, l.bought, l.bought_micros, l.sold_micros, l.realized_micros,
                    coalesce(c.reason, o.reason, l.last_purpose))""",
    plants=(
        "UPDATE book_round_trips SET exit_reason = 'stop'",
        "UPDATE book_round_trips SET closed_by = 'X3'",
    ),
)

ROUND_TRIPS_ONCE = Rule(
    name="round_trips_once",
    says="Each execution that has ended a position has one round trip, and no symbol has more of them.",
    over="main.book_round_trips",
    named=Named.EXECUTION,
    query="""
        SELECT account, max(execution_id), printf('%s has %d round trips more than positions ended', symbol,
                                                  sum(surplus))
        FROM (SELECT account, symbol, closed_by AS execution_id, 1 AS surplus FROM main.book_round_trips
              UNION ALL SELECT account, symbol, last_execution, -1 FROM lives WHERE held = 0)
        GROUP BY account, iif((account, symbol) IN (SELECT account, symbol FROM corrected), symbol, execution_id)
        HAVING iif((account, symbol) IN (SELECT account, symbol FROM corrected),
                   sum(surplus) > 0, sum(surplus) <> 0)""",
    plants=(
        "INSERT INTO book_round_trips (id, account, symbol, closed_by) VALUES (2, 'one', 'QQQ', 'X2')",
        "DELETE FROM book_round_trips",
        told("one", "fill", "QQQ", side="SELL", quantity=1, price_micros=1, purpose="reversal")  # noqa: S608
        + "INSERT INTO book_round_trips (id, account, symbol, closed_by) VALUES (2, 'one', 'QQQ', 'X3')",
    ),
)

LEDGER = (
    FILLS_ARE_POSITIONS,
    LOTS_ARE_POSITIONS,
    LOTS_ARE_BOUGHT,
    CASH_IS_TRADED,
    EQUITY_IS_REALIZED,
    RESERVED_IS_LOCKED,
    RESERVED_IS_COVERED,
    EXECUTIONS_ONCE,
    REVERSALS_UNDO,
    ROUND_TRIPS_ARE_REALIZED,
    ROUND_TRIPS_ARE_LIVES,
    ROUND_TRIPS_ONCE,
)
