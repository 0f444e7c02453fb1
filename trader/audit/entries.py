"""Entries at the moment of their decision: by what was known, measured and allowed then."""

from trader.audit.plants import cleared, told, tripped, wanted
from trader.audit.rule import Named, Rule

NO_ENTRY_AFTER_CUTOFF = Rule(
    name="no_entry_after_cutoff",
    says="Every entry was made while its session's entries were open, with time left to the cut-off.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('phase %s, %d seconds to the cut-off', coalesce(phase, 'unknown'), left_s)
        FROM (
            SELECT account, order_ref, coalesce(seconds_to_cutoff, -1) AS left_s, (
                SELECT phase FROM told_phases p WHERE p.account = o.account AND p.seq < o.seq
                ORDER BY p.seq DESC LIMIT 1) AS phase
            FROM told_orders o WHERE purpose = 'entry')
        WHERE phase IS NOT 'open' OR left_s < 0""",
    plants=(
        """
        UPDATE book_events SET data = json_set(data, '$.phase', 'entries_stopped')
        WHERE account = 'two' AND type = 'phase'""",
        "UPDATE book_events SET data = json_set(data, '$.seconds_to_cutoff', -1) WHERE account = 'one' AND seq = 5",
    ),
)

_MINUTES_AND_DAYS_US = (120_000_000, 86_400_000_000, 172_800_000_000)
"""Before a Monday's open, and at its clock on the Sunday and the Saturday before."""

NO_ENTRY_OUTSIDE_SESSION = Rule(
    name="no_entry_outside_session",
    says="Every entry was made between 9:30 and 16:00 in New York, from Monday to Friday.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('it was made at %s UTC', datetime(at_us / 1e6, 'unixepoch'))
        FROM told_orders o JOIN hours h ON h.day = o.at_us / 86400000000
        WHERE purpose = 'entry' AND NOT coalesce(at_us >= opens_us AND at_us < closes_us, 0)""",
    plants=tuple(
        f"""
        UPDATE book_events SET at_us = at_us - {before_us}
        WHERE account = 'one' AND json_extract(data, '$.order_ref') = 'one-1-0001' AND type = 'order_created'"""  # noqa: S608
        for before_us in _MINUTES_AND_DAYS_US
    ),
)

NO_ENTRY_WHILE_HALTED = Rule(
    name="no_entry_while_halted",
    says="No entry was made under a halt of its symbol, its family, its strategy or everything.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, printf('%s was halted: %s', h.key, h.reason) FROM halts_begun h
        JOIN told_orders o ON o.account = h.account AND o.seq > h.seq AND o.at_us <> h.at_us AND o.purpose = 'entry'
         AND h.key IN ('all', 'family:' || o.family, 'symbol:' || o.symbol, 'strategy:' || (
             SELECT source FROM main.book_signals s WHERE s.account = o.account AND s.id = o.signal_id))
        WHERE NOT EXISTS (SELECT 1 FROM told_resumes r WHERE r.account = h.account AND r.key = h.key
                          AND r.seq > h.seq AND r.seq < o.seq)""",
    plants=(
        "DELETE FROM book_events WHERE account = 'one' AND type = 'resumed'",
        told("one", "halted", scope="symbol", target="MSFT", reason="again", flattens=False)
        + wanted("one", "MSFT", later_us=2),
        told("one", "halted", scope="all", target="", reason="a test", flattens=False)
        + wanted("one", "JD", later_us=2)
        + told("one", "resumed", key="all", reason="over"),
    ),
)

NO_ENTRY_WHILE_TRIPPED = Rule(
    name="no_entry_while_tripped",
    says="No entry was made while a breaker of its symbol, its family or the account had tripped.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, printf('the breaker %s had tripped: %s', t.breaker, t.cause) FROM told_trips t
        JOIN told_orders o ON o.account = t.account AND o.seq > t.seq AND o.at_us <> t.at_us AND o.purpose = 'entry'
         AND t.target = CASE t.scope WHEN 'symbol' THEN o.symbol WHEN 'family' THEN o.family ELSE '' END
        WHERE NOT EXISTS (SELECT 1 FROM told_clearings c
                          WHERE c.account = t.account AND (c.breaker, c.target) = (t.breaker, t.target)
                            AND c.seq > t.seq AND c.seq < o.seq)""",
    plants=(
        tripped("one", "account") + wanted("one", "JD", later_us=2),
        tripped("one", "symbol", "JD") + wanted("one", "JD", later_us=2) + cleared("one", "JD"),
        tripped("two", "family", "QQQ")
        + cleared("two", "QQQ", breaker="another")
        + wanted("two", "PSQ", later_us=2, direction=-1, family="QQQ"),
        tripped("one", "symbol", "MSFT", breaker="price_jump") + wanted("one", "MSFT", later_us=2),
        tripped("one", "symbol", "JD") + cleared("one", "MSFT") + wanted("one", "JD", later_us=2),
        cleared("one", "JD") + tripped("one", "symbol", "JD") + wanted("one", "JD", later_us=2),
        tripped("one", "account") + cleared("two") + wanted("one", "JD", later_us=3),
    ),
)

NO_ENTRY_WHILE_DRIFTING = Rule(
    name="no_entry_while_drifting",
    says="No entry was made in a family of which book and broker did not agree.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, printf('%s was not reconciled', d.symbol) FROM told_drift d
        LEFT JOIN main.book_positions p ON p.account = d.account AND p.symbol = d.symbol
        JOIN told_orders o ON o.account = d.account AND o.seq > d.seq AND o.at_us <> d.at_us AND o.purpose = 'entry'
         AND (o.symbol = d.symbol OR o.family IN (d.symbol, p.family))
        WHERE NOT EXISTS (SELECT 1 FROM told_agreements a WHERE a.account = d.account AND a.symbol = d.symbol
                          AND a.seq > d.seq AND a.seq < o.seq)""",
    plants=(
        told("two", "drift_found", "PSQ", book=100, broker=7) + wanted("two", "PSQ", later_us=2),
        told("one", "drift_found", "JD", book=0, broker=8) + wanted("one", "JD", later_us=2),
        told("one", "drift_found", "JD", book=0, broker=8)
        + wanted("one", "JD", later_us=2)
        + told("one", "drift_ended", "JD", reason="they agree"),
    ),
)

NO_ENTRY_WHILE_DIFFERING = Rule(
    name="no_entry_while_differing",
    says="No entry was made while clocks, cash or code that have to be the same differed, where that stops entries.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT o.account, o.order_ref, printf('the %s differed', d.what)
        FROM (SELECT *, (SELECT min(a.seq) FROM agreeing a WHERE a.account = b.account
                         AND a.what IN (b.what, 'everything') AND a.seq > b.seq) AS until FROM differing b) d
        JOIN told_orders o ON o.account = d.account AND o.seq > d.seq AND o.at_us <> d.at_us AND o.purpose = 'entry'
        WHERE coalesce(o.seq < d.until, 1)""",
    plants=(
        told("one", "clock_differs", skew_s=3.5) + wanted("one", "JD", later_us=2),
        told("one", "clock_differs", skew_s=3.5)
        + told("one", "version_agrees")
        + told("one", "cash_agrees", reason="a test")
        + wanted("one", "JD", later_us=2)
        + told("one", "clock_agrees", skew_s=0.1),
        told("two", "version_differs", what="code", stops_entries=True) + wanted("two", "PSQ", later_us=2),
        told("one", "cash_differs", book_micros=1, broker_micros=2, stops_entries=True)
        + wanted("one", "JD", later_us=2),
    ),
)

NO_ENTRY_WHILE_UNRECONCILED = Rule(
    name="no_entry_while_unreconciled",
    says="No entry was made before the broker had told everything, once in each run and after each lost connection.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('the broker had told nothing since event %d', since) FROM (
            SELECT account, order_ref, max(begun, coalesce(ended, 0)) AS since, coalesce(answered, 0) AS answered
            FROM (SELECT account, order_ref, (
                      SELECT iif(tells >= 2, seq, NULL) FROM told_runs r WHERE r.account = o.account AND r.seq < o.seq
                      ORDER BY r.seq DESC LIMIT 1) AS begun, (
                      SELECT seq FROM told_epochs_ended e WHERE e.account = o.account AND e.seq < o.seq
                      ORDER BY e.seq DESC LIMIT 1) AS ended, (
                      SELECT seq FROM told_answers a WHERE a.account = o.account AND a.seq < o.seq
                      ORDER BY a.seq DESC LIMIT 1) AS answered
                  FROM told_orders o WHERE purpose = 'entry'))
        WHERE answered < since""",
    plants=(
        told("one", "run_started", kind="paper", tells=2) + wanted("one", "JD") + told("one", "reconciled"),
        told("one", "reconciled") + told("one", "run_started", kind="paper", tells=2) + wanted("one", "JD"),
        told("one", "run_started", kind="paper", tells=2)
        + told("one", "reconciled")
        + told("one", "epoch_ended", reason="a test")
        + told("two", "reconciled", later_us=60_000_000)
        + wanted("one", "JD"),
    ),
)

NO_ENTRY_BEFORE_THRESHOLD = Rule(
    name="no_entry_before_threshold",
    says="Every entry's probability had reached the threshold of its side.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('probability %.4f, threshold %.4f', probability, threshold) FROM told_orders
        WHERE purpose = 'entry' AND coalesce(iif(direction = 1, probability, 1 - probability) < threshold - 1e-9, 1)""",
    plants=(
        """
        UPDATE book_events SET data = json_set(data, '$.probability', 0.7)
        WHERE account = 'two' AND type = 'order_created' AND symbol = 'PSQ' AND json_extract(data, '$.side') = 'BUY'""",
    ),
)

ENTRIES_WITHIN_ROOM = Rule(
    name="entries_within_room",
    says="Every entry reserved its worst case, and no more than the tightest of its limits left when it was decided.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('it reserves %.2f USD for %.2f, of %.2f left', reserved_micros / 1e6,
                                          quantity * limit_micros / 1e6, room_micros / 1e6)
        FROM told_orders
        WHERE purpose = 'entry'
          AND coalesce(reserved_micros > room_micros
                       OR reserved_micros < quantity * limit_micros * iif(length(symbol) > 14, 100, 1), 1)""",
    plants=(
        """
        UPDATE book_events SET data = json_set(data, '$.room_micros', 6030999999)
        WHERE account = 'one' AND json_extract(data, '$.order_ref') = 'one-1-0003' AND type = 'order_created'""",
        "UPDATE book_events SET data = json_set(data, '$.reserved_micros', 1) WHERE account = 'one' AND seq = 5",
    ),
)

ENTRIES_WITHIN_COUNTS = Rule(
    name="entries_within_counts",
    says="Every entry was one that the limits of positions, openings, day trades and orders a minute still let in.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('%d more were let in', entries_left) FROM told_orders
        WHERE purpose = 'entry' AND entries_left < 1""",
    plants=("UPDATE book_events SET data = json_set(data, '$.entries_left', 0) WHERE account = 'one' AND seq = 5",),
)

ENTRIES_WITHIN_CASH = Rule(
    name="entries_within_cash",
    says="Every entry reserved no more than the cash of its moment.",
    over="told_orders",
    named=Named.ORDER,
    query="""
        SELECT account, order_ref, printf('it reserves %.2f of %.2f USD', reserved_micros / 1e6, cash_micros / 1e6)
        FROM (SELECT account, order_ref, reserved_micros, (
                  SELECT cash_micros FROM cash_after c WHERE c.account = o.account AND c.seq < o.seq
                  ORDER BY c.seq DESC LIMIT 1) AS cash_micros
              FROM told_orders o WHERE purpose = 'entry')
        WHERE reserved_micros > cash_micros""",
    plants=(
        told("two", "cash_moved", amount_micros=50_000_000_000)  # noqa: S608  (our own words)
        + """
        UPDATE book_events SET data = json_set(data, '$.starting_cash_micros', 4100999999)
        WHERE account = 'two' AND type = 'account_opened'""",
    ),
)

ENTRIES_WITHIN_LIMIT = Rule(
    name="entries_within_limit",
    says="No entry was bought above its limit price, unless a person has said at what price.",
    over="main.book_fills",
    named=Named.EXECUTION,
    query="""
        SELECT f.account, f.execution_id,
               printf('bought at %.4f, limit %.4f', f.price_micros / 1e6, o.limit_micros / 1e6)
        FROM main.book_fills f JOIN main.book_orders o ON o.order_ref = f.order_ref
        WHERE f.purpose = 'entry' AND f.price_micros > o.limit_micros AND f.execution_id NOT GLOB 'resolved-*'""",
    plants=("UPDATE book_orders SET limit_micros = 199999999 WHERE order_ref = 'one-1-0003'",),
)

ENTRIES = (
    NO_ENTRY_AFTER_CUTOFF,
    NO_ENTRY_OUTSIDE_SESSION,
    NO_ENTRY_WHILE_HALTED,
    NO_ENTRY_WHILE_TRIPPED,
    NO_ENTRY_WHILE_DRIFTING,
    NO_ENTRY_WHILE_DIFFERING,
    NO_ENTRY_WHILE_UNRECONCILED,
    NO_ENTRY_BEFORE_THRESHOLD,
    ENTRIES_WITHIN_ROOM,
    ENTRIES_WITHIN_COUNTS,
    ENTRIES_WITHIN_CASH,
    ENTRIES_WITHIN_LIMIT,
)
