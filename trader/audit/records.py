"""The rest of the book: whose rows they are, that none is missing, the schema, and what the broker said last."""

from trader.audit.rule import Named, Rule

_OF_ACCOUNTS = (
    *("book_orders", "book_locks", "book_positions", "book_drift", "book_cash_drift", "book_cash_movements"),
    *("book_fills", "book_commissions", "book_lots", "book_round_trips", "book_signals", "book_inbox", "book_halts"),
    "book_latches",
    *("book_days", "book_events", "book_inputs", "book_marks", "book_reconciled", "book_alarms", "book_deliveries"),
    "book_counts",
)

ROWS_HAVE_ACCOUNTS = Rule(
    name="rows_have_accounts",
    says="Every row is of an account of the book.",
    over="main.book_accounts",
    named=Named.ROW,
    query="\nUNION ALL\n".join(
        f"SELECT DISTINCT account, '{table}', 'there is no such account' FROM main.{table} "  # noqa: S608
        "WHERE account IS NULL OR account NOT IN (SELECT account FROM main.book_accounts)"
        for table in _OF_ACCOUNTS
    ),
    plants=tuple(f"INSERT INTO {table} (account) VALUES ('large')" for table in _OF_ACCOUNTS),  # noqa: S608
)

NO_ROW_IS_MISSING = Rule(
    name="no_row_is_missing",
    says="Rows that are numbered are numbered from 1, without a gap.",
    over="main.book_inputs",
    named=Named.ROW,
    query="""
        SELECT '', name, printf('%d rows up to number %d', rows, newest) FROM (
            SELECT 'book_fills' AS name, count(*) AS rows, max(id) AS newest, min(id) AS oldest FROM main.book_fills
            UNION ALL SELECT 'book_round_trips', count(*), max(id), min(id) FROM main.book_round_trips
            UNION ALL SELECT 'book_halts', count(*), max(id), min(id) FROM main.book_halts
            UNION ALL SELECT 'book_latches', count(*), max(id), min(id) FROM main.book_latches
            UNION ALL SELECT 'book_deliveries', count(*), max(id), min(id) FROM main.book_deliveries
            UNION ALL SELECT 'book_inputs', count(*), max(seq), min(seq) FROM main.book_inputs)
        WHERE rows <> newest OR oldest <> 1""",
    plants=("DELETE FROM book_inputs WHERE seq = 1", "UPDATE book_latches SET id = 2"),
)

SIGNALS_ARE_KEPT = Rule(
    name="signals_are_kept",
    says="Every signal that was given a number has been kept, alone or counted with others of its kind.",
    over="main.book_signals",
    named=Named.ROW,
    query="""
        SELECT account, account, printf('%d signals were seen, and %d are kept', signals_seen, kept) FROM (
            SELECT account, signals_seen, coalesce((
                SELECT sum(count) FROM main.book_signals s WHERE s.account = a.account AND s.id GLOB 'S-*'), 0) AS kept
            FROM main.book_accounts a)
        WHERE kept < signals_seen""",
    plants=("DELETE FROM book_signals WHERE account = 'one' AND id = 'S-0002'",),
)

SIGNALS_HAVE_FATES = Rule(
    name="signals_have_fates",
    says="Every signal has one fate, a refusal names its rule, and what was ordered has the probability of its order.",
    over="main.book_signals",
    named=Named.SIGNAL,
    query="""
        SELECT s.account, s.id, 'its fate does not fit' FROM main.book_signals s
        LEFT JOIN told_orders o ON o.order_ref = s.order_ref
        WHERE s.outcome NOT IN ('ordered', 'closing', 'unchanged', 'refused')
           OR (s.outcome = 'refused' AND s.rule IS NULL) OR (s.rule IS NULL) <> (s.stage IS NULL)
           OR (s.outcome IN ('ordered', 'unchanged') AND s.rule IS NOT NULL) OR s.count < 1
           OR (s.outcome = 'ordered' AND coalesce(abs(s.probability - o.probability) > 1e-9, 1))""",
    plants=(
        "UPDATE book_signals SET probability = 0.9 WHERE account = 'two' AND id = 'S-0001'",
        "UPDATE book_signals SET count = 0 WHERE account = 'two' AND id = 'S-0001'",
        "UPDATE book_signals SET outcome = 'refused' WHERE account = 'two' AND id = 'S-0002'",
        "UPDATE book_signals SET outcome = 'lost' WHERE account = 'two' AND id = 'S-0002'",
        "UPDATE book_signals SET rule = 'halted', stage = 'session' WHERE account = 'two' AND id = 'S-0001'",
    ),
)

STAMP_AS_TOLD = Rule(
    name="stamp_as_told",
    says="The book is stamped once, as what its newest run was.",
    over="main.book_stamp",
    named=Named.ROW,
    query="""
        SELECT '', 'book_stamp', printf('%d stamps', count(*)) FROM main.book_stamp
        HAVING count(*) <> 1 OR max(one) <> 1
        UNION ALL
        SELECT r.account, s.kind, printf('its newest run was %s', r.kind) FROM main.book_stamp s
        JOIN (SELECT *, max(seq) FROM told_runs GROUP BY account) r WHERE r.kind <> s.kind""",
    plants=(
        "UPDATE book_stamp SET kind = 'live'",
        "INSERT INTO book_stamp (one, kind) VALUES (2, 'paper')",
    ),
)

SCHEMA_AS_SHIPPED = Rule(
    name="schema_as_shipped",
    says="Tables, indexes, triggers and views are those that were shipped.",
    over="shipped",
    named=Named.ROW,
    query="""
        SELECT '', s.type || ' ' || s.name, iif(f.sql IS NULL, 'it is missing', 'it was changed') FROM shipped s
        LEFT JOIN found f ON f.type = s.type AND f.name = s.name WHERE f.sql IS NOT s.sql
        UNION ALL
        SELECT '', f.type || ' ' || f.name, 'it was not shipped' FROM found f
        LEFT JOIN shipped s ON s.type = f.type AND s.name = f.name WHERE s.sql IS NULL""",
    plants=(
        "DROP TRIGGER a_guard",
        "CREATE TABLE book_notes (note TEXT)",
        "DROP TRIGGER a_guard; CREATE TRIGGER a_guard BEFORE DELETE ON book_stamp BEGIN SELECT 1; END",
    ),
)

BROKER_AGREES = Rule(
    name="broker_agrees",
    says="At the broker's last answer it held what the book holds, in shares and cash.",
    over="main.book_accounts",
    named=Named.SYMBOL,
    query="""
        SELECT account, symbol, printf('book %d, broker %d', book, broker) FROM main.book_drift
        UNION ALL
        SELECT account, 'cash', printf('book %.2f, broker %.2f USD', book_micros / 1e6, broker_micros / 1e6)
        FROM main.book_cash_drift""",
    plants=(
        "INSERT INTO book_drift (account, symbol, book, broker, since_us) VALUES ('two', 'PSQ', 100, 0, 1)",
        "INSERT INTO book_cash_drift (account, book_micros, broker_micros, since_us) VALUES ('two', 1, 2, 3)",
    ),
    is_barred=True,
)

FILE_IS_SOUND = Rule(
    name="file_is_sound",
    says="Every page of the file can be read, and each index has just the rows of its table.",
    over="main.sqlite_master",
    named=Named.ROW,
    query="""
        SELECT '', 'the file', integrity_check FROM pragma_integrity_check(20, 'main') WHERE integrity_check <> 'ok'""",
    plants=(
        """
        CREATE INDEX a_way ON book_fills (symbol);
        PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET sql = 'CREATE INDEX a_way ON book_fills (side)' WHERE name = 'a_way';
        PRAGMA writable_schema = RESET""",
    ),
)
"""A rule that asks by an index of which rows are missing would not see them."""

RECORDS = (
    ROWS_HAVE_ACCOUNTS,
    NO_ROW_IS_MISSING,
    SIGNALS_ARE_KEPT,
    SIGNALS_HAVE_FATES,
    STAMP_AS_TOLD,
    SCHEMA_AS_SHIPPED,
    BROKER_AGREES,
)
