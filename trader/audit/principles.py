"""The five principles, at every moment of the period: what a first version of this trade was broken by.

A moment is a commit: what one transaction has brought about together was never seen in part.
"""

from trader.audit.plants import sold, told, wanted
from trader.audit.rule import Named, Rule

NO_NEGATIVE_CASH = Rule(
    name="no_negative_cash",
    says="Cash is never below zero.",
    over="cash_after",
    named=Named.EVENT,
    query="""
        SELECT account, seq, printf('cash is %.2f USD after it', cash_micros / 1e6) FROM cash_after m
        WHERE cash_micros < 0 AND NOT EXISTS (
            SELECT 1 FROM cash_after n WHERE n.account = m.account AND n.at_us = m.at_us AND n.seq > m.seq)""",
    plants=(
        """
        UPDATE book_events SET data = json_set(data, '$.price_micros', 10000000001, '$.quantity', 10)
        WHERE account = 'one' AND json_extract(data, '$.execution_id') = 'X1'""",
        told("one", "cash_moved", amount_micros=-50_000_000_000)
        + told("one", "cash_moved", later_us=0, amount_micros=-50_000_000_000),
    ),
)

_FIRST_AT_ONCE = "UPDATE book_events SET at_us = 1 WHERE account = 'two' AND seq IN (5, 9)"
"""The first entry of the second account, and the event that was added to its journal."""

NO_CONFLICT = Rule(
    name="no_conflicting_positions",
    says="Long and inverse members of a family are never held, or on their way, at once.",
    over="told_fills",
    named=Named.EVENT,
    query="""
        SELECT account, seq, printf('%s is %d long and %d inverse', family, long, inverse) FROM (
            SELECT account, family, max(seq) AS seq,
                   sum(sum(iif(direction = 1, shares, 0))) OVER in_order AS long,
                   sum(sum(iif(direction = -1, shares, 0))) OVER in_order AS inverse
            FROM taken WHERE (account, family) IN (SELECT account, family FROM taken WHERE direction = -1)
            GROUP BY account, family, at_us
            WINDOW in_order AS (PARTITION BY account, family ORDER BY max(seq)))
        WHERE long > 0 AND inverse > 0""",
    plants=(
        """
        UPDATE book_events SET symbol = 'SQQQ', data = json_set(data, '$.direction', -1, '$.family', 'AAPL')
        WHERE account = 'one' AND seq = 17;
        UPDATE book_events SET data = json_set(data, '$.quantity', 1)
        WHERE account = 'one' AND json_extract(data, '$.execution_id') = 'X3'""",
        wanted("two", "QQQ") + sold("two", "PSQ", 40, later_us=0, direction=-1, family="QQQ"),
        wanted("two", "QQQ", later_us=0) + _FIRST_AT_ONCE,
    ),
)

ONE_OPENING_PER_BAR = Rule(
    name="one_opening_per_bar",
    says="A family is opened at most once in a minute's bar.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('it opened %s in the same minute as %s', family, before) FROM (
            SELECT account, order_ref, family, at_us / 60000000 AS minute, lag(order_ref) OVER earlier AS before,
                   lag(at_us / 60000000) OVER earlier AS minute_before
            FROM told_orders WHERE purpose = 'entry' WINDOW earlier AS (PARTITION BY account, family ORDER BY seq))
        WHERE minute = minute_before""",
    plants=(
        """
        UPDATE book_events SET at_us = at_us - 4 * 60000000, data = json_set(data, '$.family', 'QQQ')
        WHERE account = 'one' AND json_extract(data, '$.order_ref') = 'one-1-0003' AND type = 'order_created'""",
    ),
)

FLAT_AT_CLOSE = Rule(
    name="flat_at_close",
    says="Nothing is held over the close but what may stay overnight.",
    over="told_fills",
    named=Named.SYMBOL,
    query="""
        SELECT DISTINCT account, symbol, printf('%d held over the close of %s', held,
                                                date(f.at_us / 1e6, 'unixepoch'))
        FROM (SELECT account, symbol, at_us, held, (
                  SELECT at_us FROM told_fills n WHERE n.account = t.account AND n.symbol = t.symbol AND n.seq > t.seq
                  ORDER BY n.seq LIMIT 1) AS until_us
              FROM told_fills t WHERE held > 0) f
        JOIN heads h USING (account)
        WHERE (f.at_us / 86400000000 < coalesce(until_us, h.at_us) / 86400000000
               OR EXISTS (SELECT 1 FROM closes c WHERE c.account = f.account AND c.at_us > f.at_us
                          AND c.at_us < coalesce(until_us, h.at_us + 1)))
          AND NOT coalesce((SELECT stays FROM may_stay s WHERE s.account = f.account AND s.symbol = f.symbol),
                           (SELECT stays FROM may_stay s WHERE s.account = f.account
                            AND s.symbol = iif(length(f.symbol) > 14, '*option', '*')), 0)""",
    plants=(
        told("two", "phase", phase="closed", day="2025-06-23") + told("two", "alarm"),
        sold("two", "PSQ", 40, left=60, direction=-1, family="QQQ")
        + told("two", "day_started", later_us=86_400_000_000),
    ),
)

CAPITAL_IN_USE = Rule(
    name="capital_in_use",
    says="On every day that was traded to its end, capital was put to use.",
    over="told_flats",
    named=Named.ROW,
    query="""
        SELECT account, day, 'nothing was bought on it' FROM told_flats
        WHERE (account, at_us / 86400000000) NOT IN (
            SELECT account, at_us / 86400000000 FROM told_fills WHERE side = 'BUY')""",
    plants=(told("one", "flat_proven", later_us=86_400_000_000, day="2025-06-24"),),
    is_advice=True,
)

PRINCIPLES = (NO_NEGATIVE_CASH, NO_CONFLICT, ONE_OPENING_PER_BAR, FLAT_AT_CLOSE, CAPITAL_IN_USE)
