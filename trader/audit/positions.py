"""Positions: in a state that follows from what was told, with both exits, as they were armed."""

from trader.audit.rule import Named, Rule

EXITS_ARE_ARMED = Rule(
    name="exits_are_armed",
    says="What is held has a stop and a target around its entry, for all its shares; what is not held has none.",
    over="main.book_positions",
    named=Named.SYMBOL,
    query="""
        SELECT account, symbol, printf('%d held, stop %s, take profit %s', quantity, coalesce(stop_micros, 'none'),
                                       coalesce(take_profit_micros, 'none'))
        FROM main.book_positions
        WHERE quantity < 0
           OR (quantity > 0 AND NOT coalesce(0 < initial_stop_micros AND initial_stop_micros < entry_micros
               AND entry_micros < take_profit_micros AND initial_stop_micros <= stop_micros
               AND stop_micros < take_profit_micros, 0))
           OR (quantity = 0 AND (entry_micros, initial_stop_micros, stop_micros, take_profit_micros)
               IS NOT (NULL, NULL, NULL, NULL))""",
    plants=(
        "UPDATE book_positions SET stop_micros = NULL WHERE symbol = 'PSQ'",
        "UPDATE book_positions SET stop_micros = 1 WHERE symbol = 'QQQ'",
        "UPDATE book_positions SET stop_micros = 500000000 WHERE symbol = 'AAPL'",
    ),
)

EXITS_AS_TOLD = Rule(
    name="exits_as_told",
    says="Entry, stop and target are those that the position was made with, and the stop was only raised.",
    over="main.book_positions",
    named=Named.SYMBOL,
    query="""
        SELECT p.account, p.symbol, 'the journal tells of other exits' FROM main.book_positions p
        JOIN created c ON c.account = p.account AND c.symbol = p.symbol
        WHERE p.quantity > 0 AND ((p.initial_stop_micros, p.take_profit_micros)
                IS NOT (c.stop_micros, c.take_profit_micros)
            OR (p.entry_micros <> c.price_micros AND c.purpose <> 'reversal')
            OR p.stop_micros <> max(c.stop_micros, coalesce((
                SELECT max(t.stop_micros) FROM told_stops t WHERE t.account = p.account AND t.symbol = p.symbol
                  AND t.seq > c.seq), 0)))""",
    plants=(
        "UPDATE book_positions SET stop_micros = 197999999 WHERE symbol = 'AAPL'",
        "UPDATE book_positions SET entry_micros = entry_micros + 1 WHERE symbol = 'AAPL'",
        "UPDATE book_positions SET take_profit_micros = 205000000 WHERE symbol = 'PSQ'",
    ),
)

POSITIONS_ARE_MADE = Rule(
    name="positions_are_made",
    says="A position has the family, side and time of the execution that made it, and follows from one.",
    over="main.book_positions",
    named=Named.SYMBOL,
    query="""
        SELECT p.account, p.symbol, 'no execution has made it so' FROM main.book_positions p
        LEFT JOIN created c ON c.account = p.account AND c.symbol = p.symbol
        WHERE (p.family, p.direction, p.opened_us) IS NOT (c.family, c.direction, c.executed_us)
        UNION ALL
        SELECT c.account, c.symbol, 'it was made and is not there' FROM created c
        LEFT JOIN main.book_positions p ON p.account = c.account AND p.symbol = c.symbol WHERE p.symbol IS NULL""",
    plants=(
        "DELETE FROM book_positions WHERE account = 'one' AND symbol = 'QQQ'",
        "UPDATE book_positions SET direction = -direction WHERE symbol = 'PSQ'",
    ),
)

POSITIONS_STAND_AS_TOLD = Rule(
    name="positions_stand_as_told",
    says="A position is flat, opening, open or closing, as its shares, its entry and the journal have it.",
    over="main.book_positions",
    named=Named.SYMBOL,
    query="""
        SELECT account, symbol, printf('it is %s, and should be %s', state, follows) FROM (
            SELECT p.*, CASE WHEN p.quantity = 0 THEN 'flat' WHEN k.reason IS NOT NULL THEN 'closing'
                             WHEN o.order_ref IS NOT NULL THEN 'opening' ELSE 'open' END AS follows,
                   k.purpose AS told_purpose, k.reason AS told_reason
            FROM main.book_positions p
            LEFT JOIN whole_lives l ON l.account = p.account AND l.symbol = p.symbol AND l.held <> 0
            LEFT JOIN told_closings k ON k.rowid = l.closing
            LEFT JOIN created c ON c.account = p.account AND c.symbol = p.symbol
            LEFT JOIN main.book_locks o ON o.order_ref = c.order_ref AND o.released_us IS NULL)
        WHERE state <> follows OR closing_purpose IS NOT told_purpose
           OR closing_reason IS NOT coalesce(told_reason, '')""",
    plants=(
        "UPDATE book_positions SET state = 'open' WHERE symbol = 'AAPL'",
        "UPDATE book_positions SET closing_reason = 'stop' WHERE symbol = 'PSQ'",
        "UPDATE book_positions SET closing_purpose = 'eod' WHERE symbol = 'PSQ'",
    ),
)

POSITIONS_ARE_LIVES = Rule(
    name="positions_are_lives",
    says="A position has bought, sold and realised what its own executions have.",
    over="main.book_positions",
    named=Named.SYMBOL,
    query="""
        SELECT p.account, p.symbol, 'its executions make something else' FROM main.book_positions p
        JOIN whole_lives l ON l.account = p.account AND l.symbol = p.symbol
        WHERE l.first_seq = (SELECT max(first_seq) FROM lives n WHERE n.account = l.account AND n.symbol = l.symbol)
          AND (p.account, p.symbol) NOT IN (SELECT account, symbol FROM corrected)
          AND (p.bought, p.bought_micros, p.sold_micros, p.realized_micros)
            IS NOT (l.bought, l.bought_micros, l.sold_micros, l.realized_micros)""",
    plants=("UPDATE book_positions SET sold_micros = 1 WHERE symbol = 'AAPL'",),
)

POSITIONS_CHANGE_AS_TOLD = Rule(
    name="positions_change_as_told",
    says="A position was changed last when the journal tells of something that changed it.",
    over="main.book_positions",
    named=Named.SYMBOL,
    query="""
        SELECT p.account, p.symbol, 'nothing is told of that moment' FROM main.book_positions p
        LEFT JOIN created c ON c.account = p.account AND c.symbol = p.symbol
        WHERE NOT EXISTS (SELECT 1 FROM told_fills t WHERE t.account = p.account AND t.symbol = p.symbol
                          AND t.executed_us = p.updated_us AND t.seq >= c.seq)
          AND updated_us NOT IN (SELECT at_us FROM told_closings t WHERE t.account = p.account AND t.symbol = p.symbol)
          AND updated_us NOT IN (SELECT at_us FROM told_stops t WHERE t.account = p.account AND t.symbol = p.symbol)
          AND updated_us NOT IN (SELECT t.at_us FROM releases t JOIN told_orders o ON o.order_ref = t.order_ref
                                 WHERE o.account = p.account AND o.symbol = p.symbol)""",
    plants=("UPDATE book_positions SET updated_us = updated_us + 1 WHERE symbol = 'PSQ'",),
)

POSITIONS = (
    EXITS_ARE_ARMED,
    EXITS_AS_TOLD,
    POSITIONS_ARE_MADE,
    POSITIONS_STAND_AS_TOLD,
    POSITIONS_ARE_LIVES,
    POSITIONS_CHANGE_AS_TOLD,
)
