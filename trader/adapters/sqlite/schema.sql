-- The book. Every rule that the database can keep by itself, it keeps.
--
-- Rule 1: money is INTEGER micros (1e-6 USD), time is INTEGER microseconds since 1970 UTC, from the injected clock.
-- Rule 2: the account stands in every key. There is no row without one.
-- Rule 3: what happened (fills, events, cash movements) is append-only; a correction is a new row that reverses.
-- Rule 4: tables are called book_*; the plain names are views for people, in dollars and ISO-8601 UTC.
-- Rule 5: a CHECK of a row that is written with each order or fill names its texts with OR. For an IN of three or more
-- SQLite makes a table at every write: it took half the time of writing an order or a position.
-- Rule 6: a price is dollars a share. A share counts once, a contract of an option (OCC symbols are longer than any
-- other) a hundred times: `multiplier`, which is computed and not stored.
-- Rule 7: what only its row tells of has a checksum there, and rows that nothing else misses are counted. `checksum` is
-- a function of the program: who changes such a row by hand leaves the former one standing.

CREATE TABLE book_stamp (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    kind         TEXT    NOT NULL CHECK (kind IN ('simulated', 'paper', 'live', 'replay')),
    book_id      TEXT    NOT NULL,
    epoch        INTEGER NOT NULL CHECK (epoch >= 1),
    seed         INTEGER NOT NULL,
    created_us   INTEGER NOT NULL,
    checksum     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE book_accounts (
    account               TEXT    PRIMARY KEY CHECK (account GLOB '[a-z]*' AND length(account) <= 12),
    starting_cash_micros  INTEGER NOT NULL CHECK (starting_cash_micros >= 0),
    cash_micros           INTEGER NOT NULL,
    reserved_micros       INTEGER NOT NULL DEFAULT 0 CHECK (reserved_micros >= 0),
    orders_made           INTEGER NOT NULL DEFAULT 0 CHECK (orders_made >= 0),
    signals_seen          INTEGER NOT NULL DEFAULT 0 CHECK (signals_seen >= 0),
    opened_us             INTEGER NOT NULL,
    updated_us            INTEGER NOT NULL,
    journal_events        INTEGER NOT NULL DEFAULT 0 CHECK (journal_events >= 0),
    checksum              INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE book_orders (
    order_ref     TEXT    PRIMARY KEY,
    account       TEXT    NOT NULL REFERENCES book_accounts (account),
    symbol        TEXT    NOT NULL,
    side          TEXT    NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity      INTEGER NOT NULL CHECK (quantity > 0),
    filled        INTEGER NOT NULL DEFAULT 0 CHECK (filled >= 0),
    limit_micros  INTEGER CHECK (limit_micros > 0),
    state         TEXT    NOT NULL CHECK (state = 'created' OR state = 'working' OR state = 'cancelling'
                    OR state = 'unknown' OR state = 'filled' OR state = 'cancelled' OR state = 'rejected'),
    purpose       TEXT    NOT NULL CHECK (purpose = 'entry' OR purpose = 'exit' OR purpose = 'eod'
                    OR purpose = 'manual' OR purpose = 'adjust' OR purpose = 'protection'),
    reason        TEXT    NOT NULL,
    signal_id     TEXT    NOT NULL,
    created_us    INTEGER NOT NULL,
    updated_us    INTEGER NOT NULL,
    stop_micros   INTEGER CHECK (stop_micros > 0),
    oca           TEXT    NOT NULL DEFAULT '',
    perm_id       INTEGER CHECK (perm_id > 0),
    multiplier INTEGER GENERATED ALWAYS AS (CASE WHEN length(symbol) > 14 THEN 100 ELSE 1 END) VIRTUAL,
    checksum      INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT an_entry_buys_at_a_limit CHECK (purpose <> 'entry' OR (side = 'BUY' AND limit_micros IS NOT NULL)),
    CONSTRAINT protection_sells_at_one_level_of_a_group CHECK ((purpose = 'protection') = (oca <> '')
        AND (purpose <> 'protection' OR (side = 'SELL' AND (stop_micros IS NULL) <> (limit_micros IS NULL))))
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_by_time ON book_orders (account, created_us);
CREATE UNIQUE INDEX one_live_exit_per_symbol ON book_orders (account, symbol)
    WHERE side = 'SELL' AND purpose <> 'protection' AND state IN ('created', 'working', 'cancelling', 'unknown');
CREATE INDEX live_protection ON book_orders (account, symbol)
    WHERE purpose = 'protection' AND state IN ('created', 'working', 'cancelling', 'unknown');
CREATE INDEX groups_of_protection ON book_orders (account, oca) WHERE oca <> '';

CREATE TABLE book_locks (
    order_ref        TEXT    PRIMARY KEY REFERENCES book_orders (order_ref) DEFERRABLE INITIALLY DEFERRED,
    account          TEXT    NOT NULL REFERENCES book_accounts (account),
    symbol           TEXT    NOT NULL,
    family           TEXT    NOT NULL,
    direction        INTEGER NOT NULL CHECK (direction IN (-1, 1)),
    reserved_micros  INTEGER NOT NULL CHECK (reserved_micros >= 0),
    takes_slot       INTEGER NOT NULL CHECK (takes_slot IN (0, 1)),
    acquired_us      INTEGER NOT NULL,
    released_us      INTEGER,
    evidence         TEXT,
    CONSTRAINT released_only_by_evidence CHECK ((released_us IS NULL) = (evidence IS NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_working_opening_order_per_symbol ON book_locks (account, symbol) WHERE released_us IS NULL;
CREATE INDEX live_inverse_locks ON book_locks (account, family) WHERE released_us IS NULL AND direction = -1;

CREATE TABLE book_positions (
    account              TEXT    NOT NULL REFERENCES book_accounts (account),
    symbol               TEXT    NOT NULL,
    family               TEXT    NOT NULL,
    direction            INTEGER NOT NULL CHECK (direction IN (-1, 1)),
    quantity             INTEGER NOT NULL CHECK (quantity >= 0),
    cost_micros          INTEGER NOT NULL CHECK (cost_micros >= 0),
    entry_micros         INTEGER,
    initial_stop_micros  INTEGER,
    stop_micros          INTEGER,
    take_profit_micros   INTEGER,
    state                TEXT    NOT NULL CHECK (state = 'flat' OR state = 'opening'
                           OR state = 'open' OR state = 'closing'),
    closing_purpose      TEXT,
    closing_reason       TEXT    NOT NULL,
    opened_us            INTEGER NOT NULL,
    updated_us           INTEGER NOT NULL,
    bought               INTEGER NOT NULL CHECK (bought >= quantity),
    bought_micros        INTEGER NOT NULL,
    sold_micros          INTEGER NOT NULL,
    realized_micros      INTEGER NOT NULL,
    multiplier INTEGER GENERATED ALWAYS AS (CASE WHEN length(symbol) > 14 THEN 100 ELSE 1 END) VIRTUAL,
    PRIMARY KEY (account, symbol),
    CONSTRAINT flat_means_nothing_held CHECK ((state = 'flat') = (quantity = 0)),
    CONSTRAINT no_position_without_exits CHECK (quantity = 0 OR (entry_micros IS NOT NULL
        AND initial_stop_micros IS NOT NULL AND stop_micros IS NOT NULL AND take_profit_micros IS NOT NULL)),
    CONSTRAINT no_exits_without_position CHECK (quantity <> 0 OR (entry_micros IS NULL
        AND initial_stop_micros IS NULL AND stop_micros IS NULL AND take_profit_micros IS NULL)),
    CONSTRAINT exits_lie_around_the_entry CHECK (initial_stop_micros > 0 AND initial_stop_micros < entry_micros
        AND entry_micros < take_profit_micros),
    CONSTRAINT stop_between_initial_stop_and_take_profit CHECK (stop_micros >= initial_stop_micros
        AND stop_micros < take_profit_micros),
    CONSTRAINT closing_has_a_purpose CHECK ((state = 'closing') = (closing_purpose IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX held_inverse_positions ON book_positions (account, family) WHERE quantity > 0 AND direction = -1;

-- What book and broker do not agree on, as of now: shares that only one of them has.
CREATE TABLE book_drift (
    account   TEXT    NOT NULL REFERENCES book_accounts (account),
    symbol    TEXT    NOT NULL,
    book      INTEGER NOT NULL CHECK (book >= 0),
    broker    INTEGER NOT NULL,
    since_us  INTEGER NOT NULL,
    PRIMARY KEY (account, symbol)
) STRICT, WITHOUT ROWID;

-- Cash that they do not agree on, as of now.
CREATE TABLE book_cash_drift (
    account        TEXT    PRIMARY KEY REFERENCES book_accounts (account),
    book_micros    INTEGER NOT NULL,
    broker_micros  INTEGER NOT NULL,
    since_us       INTEGER NOT NULL,
    CONSTRAINT a_drift_is_a_difference CHECK (book_micros <> broker_micros)
) STRICT, WITHOUT ROWID;

-- When the broker has last told what it holds, and the book was compared with it.
CREATE TABLE book_reconciled (
    account  TEXT    PRIMARY KEY REFERENCES book_accounts (account),
    at_us    INTEGER NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Cash movements of the broker's statements: one that is imported again is known.
CREATE TABLE book_cash_movements (
    account    TEXT    NOT NULL REFERENCES book_accounts (account),
    movement   TEXT    NOT NULL,
    booked_us  INTEGER NOT NULL,
    PRIMARY KEY (account, movement)
) STRICT, WITHOUT ROWID;

CREATE TABLE book_fills (
    id                 INTEGER PRIMARY KEY,
    account            TEXT    NOT NULL REFERENCES book_accounts (account),
    execution_id       TEXT    NOT NULL,
    order_ref          TEXT    NOT NULL,
    symbol             TEXT    NOT NULL,
    side               TEXT    NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity           INTEGER NOT NULL CHECK (quantity > 0),
    price_micros       INTEGER NOT NULL CHECK (price_micros > 0),
    commission_micros  INTEGER NOT NULL,
    realized_micros    INTEGER NOT NULL,
    purpose            TEXT    NOT NULL,
    reason             TEXT    NOT NULL,
    executed_us        INTEGER NOT NULL,
    booked_us          INTEGER NOT NULL,
    multiplier INTEGER GENERATED ALWAYS AS (CASE WHEN length(symbol) > 14 THEN 100 ELSE 1 END) VIRTUAL,
    CONSTRAINT an_execution_counts_once UNIQUE (account, execution_id)
) STRICT;

-- What an execution has cost where that was told after it: `commission_micros` of its fill is 0 then.
CREATE TABLE book_commissions (
    account            TEXT    NOT NULL REFERENCES book_accounts (account),
    execution_id       TEXT    NOT NULL,
    commission_micros  INTEGER NOT NULL CHECK (commission_micros <> 0),
    booked_us          INTEGER NOT NULL,
    PRIMARY KEY (account, execution_id),
    FOREIGN KEY (account, execution_id) REFERENCES book_fills (account, execution_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE book_lots (
    account       TEXT    NOT NULL REFERENCES book_accounts (account),
    execution_id  TEXT    NOT NULL,
    symbol        TEXT    NOT NULL,
    opened_us     INTEGER NOT NULL,
    remaining     INTEGER NOT NULL CHECK (remaining >= 0),
    cost_micros   INTEGER NOT NULL CHECK (cost_micros >= 0),
    PRIMARY KEY (account, execution_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX open_lots ON book_lots (account, symbol) WHERE remaining > 0;

CREATE TABLE book_round_trips (
    id             INTEGER PRIMARY KEY,
    account        TEXT    NOT NULL REFERENCES book_accounts (account),
    symbol         TEXT    NOT NULL,
    opened_us      INTEGER NOT NULL,
    closed_us      INTEGER NOT NULL,
    quantity       INTEGER NOT NULL CHECK (quantity > 0),
    bought_micros  INTEGER NOT NULL,
    sold_micros    INTEGER NOT NULL,
    pnl_micros     INTEGER NOT NULL,
    exit_reason    TEXT    NOT NULL,
    closed_by      TEXT    NOT NULL,
    multiplier INTEGER GENERATED ALWAYS AS (CASE WHEN length(symbol) > 14 THEN 100 ELSE 1 END) VIRTUAL
) STRICT;

CREATE TABLE book_signals (
    account      TEXT    NOT NULL REFERENCES book_accounts (account),
    id           TEXT    NOT NULL,
    symbol       TEXT    NOT NULL,
    probability  REAL,
    signal_us    INTEGER NOT NULL,
    received_us  INTEGER NOT NULL,
    source       TEXT    NOT NULL,
    outcome      TEXT    NOT NULL CHECK (outcome = 'ordered' OR outcome = 'closing'
                   OR outcome = 'unchanged' OR outcome = 'refused'),
    stage        TEXT,
    rule         TEXT,
    measured     REAL,
    limit_value  REAL,
    detail       TEXT    NOT NULL,
    order_ref    TEXT    NOT NULL,
    count        INTEGER NOT NULL CHECK (count >= 1),
    checksum     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, id),
    CONSTRAINT a_no_has_a_rule CHECK (outcome <> 'refused' OR rule IS NOT NULL)
) STRICT;

CREATE TABLE book_inbox (
    account  TEXT    NOT NULL REFERENCES book_accounts (account),
    path     TEXT    NOT NULL,
    offset   INTEGER NOT NULL CHECK (offset >= 0),
    line     INTEGER NOT NULL CHECK (line >= 0),
    checksum INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE book_halts (
    id              INTEGER PRIMARY KEY,
    account         TEXT    NOT NULL REFERENCES book_accounts (account),
    scope           TEXT    NOT NULL CHECK (scope IN ('all', 'family', 'symbol', 'strategy')),
    target          TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    since_us        INTEGER NOT NULL,
    cleared_us      INTEGER,
    cleared_reason  TEXT,
    flattens        INTEGER NOT NULL DEFAULT 0 CHECK (flattens IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX one_halt_per_scope ON book_halts (account, scope, target) WHERE cleared_us IS NULL;

-- Breakers that have tripped, with what was measured: each bars entries of its scope until a person clears it.
CREATE TABLE book_latches (
    id              INTEGER PRIMARY KEY,
    account         TEXT    NOT NULL REFERENCES book_accounts (account),
    breaker         TEXT    NOT NULL,
    scope           TEXT    NOT NULL CHECK (scope IN ('symbol', 'family', 'account', 'all')),
    target          TEXT    NOT NULL,
    cause           TEXT    NOT NULL,
    measured        REAL    NOT NULL,
    limit_value     REAL    NOT NULL,
    inputs          TEXT    NOT NULL,
    formula         TEXT    NOT NULL,
    flattens        INTEGER NOT NULL CHECK (flattens IN (0, 1)),
    tripped_us      INTEGER NOT NULL,
    cleared_us      INTEGER,
    cleared_by      TEXT,
    cleared_reason  TEXT,
    CONSTRAINT a_target_where_the_scope_has_one CHECK ((target <> '') = (scope IN ('symbol', 'family'))),
    CONSTRAINT cleared_by_somebody_for_a_reason CHECK ((cleared_us IS NULL) = (cleared_by IS NULL)
        AND (cleared_us IS NULL) = (cleared_reason IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_latch_per_breaker_and_target ON book_latches (account, breaker, target) WHERE cleared_us IS NULL;

CREATE TABLE book_days (
    account                TEXT    NOT NULL REFERENCES book_accounts (account),
    day                    TEXT    NOT NULL CHECK (day GLOB '????-??-??'),
    started_us             INTEGER NOT NULL,
    opening_equity_micros  INTEGER NOT NULL,
    PRIMARY KEY (account, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE book_events (
    account  TEXT    NOT NULL REFERENCES book_accounts (account),
    seq      INTEGER NOT NULL CHECK (seq >= 1),
    type     TEXT    NOT NULL,
    symbol   TEXT    NOT NULL,
    at_us    INTEGER NOT NULL,
    data     TEXT    NOT NULL,
    hash     TEXT    NOT NULL CHECK (length(hash) = 64),
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX cash_and_days_told ON book_events (account, seq) WHERE type IN ('cash_moved', 'day_started');

-- What a person should know of. An alarm's number is that of the event which began it; repeats of its type and subject
-- that come within an hour of each other are counted in it. What was delivered where is a row for each time.
CREATE TABLE book_alarms (
    account          TEXT    NOT NULL REFERENCES book_accounts (account),
    seq              INTEGER NOT NULL,
    type             TEXT    NOT NULL,
    severity         TEXT    NOT NULL CHECK (severity = 'info' OR severity = 'warning' OR severity = 'critical'),
    subject          TEXT    NOT NULL,
    text             TEXT    NOT NULL,
    first_us         INTEGER NOT NULL,
    last_us          INTEGER NOT NULL,
    count            INTEGER NOT NULL CHECK (count >= 1),
    acknowledged_us  INTEGER,
    acknowledged_by  TEXT,
    checksum         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, seq),
    FOREIGN KEY (account, seq) REFERENCES book_events (account, seq),
    CONSTRAINT acknowledged_by_somebody CHECK ((acknowledged_us IS NULL) = (acknowledged_by IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX newest_alarms ON book_alarms (account, type, subject, seq);
CREATE INDEX open_alarms ON book_alarms (account, type) WHERE acknowledged_us IS NULL;

CREATE TABLE book_deliveries (
    id       INTEGER PRIMARY KEY,
    account  TEXT    NOT NULL REFERENCES book_accounts (account),
    alarm    INTEGER NOT NULL,
    channel  TEXT    NOT NULL,
    count    INTEGER NOT NULL CHECK (count >= 1),
    at_us    INTEGER NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0,
    FOREIGN KEY (account, alarm) REFERENCES book_alarms (account, seq)
) STRICT;

CREATE INDEX deliveries_of_an_alarm ON book_deliveries (account, alarm, channel);

CREATE TABLE book_inputs (
    seq      INTEGER PRIMARY KEY,
    account  TEXT    NOT NULL REFERENCES book_accounts (account),
    at_us    INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    data     TEXT    NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE book_marks (
    account        TEXT    NOT NULL REFERENCES book_accounts (account),
    symbol         TEXT    NOT NULL,
    price_micros   INTEGER NOT NULL CHECK (price_micros > 0),
    at_us          INTEGER NOT NULL,
    checksum       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, symbol)
) STRICT, WITHOUT ROWID;

-- How many rows of a table an account has, where nothing else tells that one is missing.
CREATE TABLE book_counts (
    account  TEXT    NOT NULL REFERENCES book_accounts (account),
    counted  TEXT    NOT NULL,
    count    INTEGER NOT NULL CHECK (count >= 1),
    PRIMARY KEY (account, counted)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER signals_are_counted AFTER INSERT ON book_signals
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_signals', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER inbox_are_counted AFTER INSERT ON book_inbox
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_inbox', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER alarms_are_counted AFTER INSERT ON book_alarms
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_alarms', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER deliveries_are_counted AFTER INSERT ON book_deliveries
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_deliveries', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER inputs_are_counted AFTER INSERT ON book_inputs
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_inputs', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER marks_are_counted AFTER INSERT ON book_marks
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_marks', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER reconciliations_are_counted AFTER INSERT ON book_reconciled
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_reconciled', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;

-- The family's other side is refused while this side is held, working or of unknown fate (incident 1). Inverse
-- positions are few and have indexes of their own, so that the common entry asks two empty ones.
CREATE TRIGGER family_inverse_side_is_taken BEFORE INSERT ON book_locks
WHEN NEW.direction = 1 AND (
    EXISTS (SELECT 1 FROM book_locks
            WHERE account = NEW.account AND family = NEW.family AND released_us IS NULL AND direction = -1)
    OR EXISTS (SELECT 1 FROM book_positions
               WHERE account = NEW.account AND family = NEW.family AND quantity > 0 AND direction = -1))
BEGIN SELECT RAISE(ABORT, 'family_opposite_side_refused'); END;

CREATE TRIGGER family_long_side_is_taken BEFORE INSERT ON book_locks
WHEN NEW.direction = -1 AND (
    EXISTS (SELECT 1 FROM book_locks INDEXED BY one_working_opening_order_per_symbol
            WHERE account = NEW.account AND released_us IS NULL AND family = NEW.family AND direction = 1)
    OR EXISTS (SELECT 1 FROM book_positions
               WHERE account = NEW.account AND family = NEW.family AND quantity > 0 AND direction = 1))
BEGIN SELECT RAISE(ABORT, 'family_opposite_side_refused'); END;

-- Cash that is reserved is spent (incident 2: the same cash bought fifty-two times).
CREATE TRIGGER cash_is_reserved_once BEFORE INSERT ON book_locks
WHEN (SELECT cash_micros - reserved_micros FROM book_accounts WHERE account = NEW.account) < NEW.reserved_micros
BEGIN SELECT RAISE(ABORT, 'cash_is_reserved_once'); END;

CREATE TRIGGER lock_reserves_cash AFTER INSERT ON book_locks
BEGIN
    UPDATE book_accounts SET reserved_micros = reserved_micros + NEW.reserved_micros WHERE account = NEW.account;
END;

CREATE TRIGGER lock_gives_back_cash AFTER UPDATE OF reserved_micros ON book_locks
BEGIN
    UPDATE book_accounts SET reserved_micros = reserved_micros + NEW.reserved_micros - OLD.reserved_micros
    WHERE account = NEW.account;
END;

CREATE TRIGGER a_released_lock_stays_released BEFORE UPDATE ON book_locks WHEN OLD.released_us IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a_released_lock_stays_released'); END;

CREATE TRIGGER locks_are_kept BEFORE DELETE ON book_locks
BEGIN SELECT RAISE(ABORT, 'locks_are_kept'); END;

-- A live exit never asks for more than is held (a sell beyond it would open a short).
CREATE TRIGGER exit_within_what_is_held BEFORE INSERT ON book_orders
WHEN NEW.side = 'SELL' AND NEW.purpose <> 'adjust' AND NEW.purpose <> 'protection' AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND NEW.quantity - NEW.filled > coalesce(
    (SELECT quantity FROM book_positions WHERE account = NEW.account AND symbol = NEW.symbol), 0)
BEGIN SELECT RAISE(ABORT, 'exit_within_what_is_held'); END;

-- Protection lives at the broker for as long as the position does, in pairs: a stop and a target that sell the same
-- shares once. Our own exit and protection never live together: both could be filled.
CREATE TRIGGER no_exit_beside_protection BEFORE INSERT ON book_orders
WHEN NEW.side = 'SELL' AND NEW.purpose <> 'protection' AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND EXISTS (SELECT 1 FROM book_orders INDEXED BY live_protection
                 WHERE account = NEW.account AND symbol = NEW.symbol AND purpose = 'protection'
                   AND state IN ('created', 'working', 'cancelling', 'unknown'))
BEGIN SELECT RAISE(ABORT, 'no_exit_beside_protection'); END;

CREATE TRIGGER no_protection_beside_an_exit BEFORE INSERT ON book_orders
WHEN NEW.purpose = 'protection' AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND EXISTS (SELECT 1 FROM book_orders INDEXED BY one_live_exit_per_symbol
                 WHERE account = NEW.account AND symbol = NEW.symbol AND side = 'SELL' AND purpose <> 'protection'
                   AND state IN ('created', 'working', 'cancelling', 'unknown'))
BEGIN SELECT RAISE(ABORT, 'no_protection_beside_an_exit'); END;

-- Live stops never ask for more than is held and a working entry may still buy. What any order of a group has sold, its
-- stop sells no more.
CREATE TRIGGER stops_within_what_may_be_held BEFORE INSERT ON book_orders
WHEN NEW.purpose = 'protection' AND NEW.stop_micros IS NOT NULL
     AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND NEW.quantity + coalesce(
    (SELECT sum(s.quantity - (SELECT sum(g.filled) FROM book_orders g INDEXED BY groups_of_protection
                              WHERE g.account = s.account AND g.oca = s.oca AND g.oca <> ''))
     FROM book_orders s INDEXED BY live_protection
     WHERE s.account = NEW.account AND s.symbol = NEW.symbol AND s.purpose = 'protection'
       AND s.stop_micros IS NOT NULL AND s.state IN ('created', 'working', 'cancelling', 'unknown')), 0)
     > coalesce((SELECT quantity FROM book_positions WHERE account = NEW.account AND symbol = NEW.symbol), 0)
     + coalesce((SELECT o.quantity - o.filled FROM book_locks l JOIN book_orders o ON o.order_ref = l.order_ref
                 WHERE l.account = NEW.account AND l.symbol = NEW.symbol AND l.released_us IS NULL), 0)
BEGIN SELECT RAISE(ABORT, 'stops_within_what_may_be_held'); END;

CREATE TRIGGER a_target_has_its_stop BEFORE INSERT ON book_orders
WHEN NEW.purpose = 'protection' AND NEW.stop_micros IS NULL
     AND NOT EXISTS (SELECT 1 FROM book_orders INDEXED BY groups_of_protection
                     WHERE account = NEW.account AND oca = NEW.oca AND oca <> '' AND symbol = NEW.symbol
                       AND stop_micros IS NOT NULL AND quantity = NEW.quantity)
BEGIN SELECT RAISE(ABORT, 'a_target_has_its_stop'); END;

-- A position's life goes one way, from flat to flat; its table of states is `POSITION_TRANSITIONS`. A new life has
-- another time of opening, and one transaction may hold the end of one and the beginning of the next.
CREATE TRIGGER a_position_only_moves_on BEFORE UPDATE OF state ON book_positions
WHEN (NEW.opened_us = OLD.opened_us AND OLD.quantity > 0 AND (
        (OLD.state = 'open' AND NEW.state = 'opening') OR (OLD.state = 'closing' AND NEW.state IN ('opening', 'open'))))
    OR (OLD.state = 'flat' AND NEW.state = 'closing' AND NEW.opened_us = OLD.opened_us)
BEGIN SELECT RAISE(ABORT, 'a_position_only_moves_on'); END;

CREATE TRIGGER a_stop_is_only_tightened BEFORE UPDATE OF stop_micros ON book_positions
WHEN NEW.opened_us = OLD.opened_us AND NEW.stop_micros < OLD.stop_micros
BEGIN SELECT RAISE(ABORT, 'a_stop_is_only_tightened'); END;

CREATE TRIGGER the_initial_stop_stays BEFORE UPDATE OF initial_stop_micros, entry_micros ON book_positions
WHEN NEW.opened_us = OLD.opened_us
    AND (NEW.initial_stop_micros <> OLD.initial_stop_micros OR NEW.entry_micros <> OLD.entry_micros)
BEGIN SELECT RAISE(ABORT, 'the_initial_stop_stays'); END;

CREATE TRIGGER fills_are_append_only_u BEFORE UPDATE ON book_fills
BEGIN SELECT RAISE(ABORT, 'fills_are_append_only'); END;
CREATE TRIGGER fills_are_append_only_d BEFORE DELETE ON book_fills
BEGIN SELECT RAISE(ABORT, 'fills_are_append_only'); END;
CREATE TRIGGER commissions_are_append_only_u BEFORE UPDATE ON book_commissions
BEGIN SELECT RAISE(ABORT, 'commissions_are_append_only'); END;
CREATE TRIGGER commissions_are_append_only_d BEFORE DELETE ON book_commissions
BEGIN SELECT RAISE(ABORT, 'commissions_are_append_only'); END;
CREATE TRIGGER cash_movements_are_append_only_u BEFORE UPDATE ON book_cash_movements
BEGIN SELECT RAISE(ABORT, 'cash_movements_are_append_only'); END;
CREATE TRIGGER cash_movements_are_append_only_d BEFORE DELETE ON book_cash_movements
BEGIN SELECT RAISE(ABORT, 'cash_movements_are_append_only'); END;
CREATE TRIGGER events_are_append_only_u BEFORE UPDATE ON book_events
BEGIN SELECT RAISE(ABORT, 'events_are_append_only'); END;
CREATE TRIGGER events_are_append_only_d BEFORE DELETE ON book_events
BEGIN SELECT RAISE(ABORT, 'events_are_append_only'); END;
CREATE TRIGGER orders_are_kept BEFORE DELETE ON book_orders
BEGIN SELECT RAISE(ABORT, 'orders_are_kept'); END;
CREATE TRIGGER latches_are_kept BEFORE DELETE ON book_latches
BEGIN SELECT RAISE(ABORT, 'latches_are_kept'); END;
CREATE TRIGGER a_cleared_latch_stays_cleared BEFORE UPDATE ON book_latches WHEN OLD.cleared_us IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a_cleared_latch_stays_cleared'); END;
CREATE TRIGGER alarms_are_kept BEFORE DELETE ON book_alarms
BEGIN SELECT RAISE(ABORT, 'alarms_are_kept'); END;
CREATE TRIGGER deliveries_are_append_only_u BEFORE UPDATE ON book_deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries_are_append_only'); END;
CREATE TRIGGER deliveries_are_append_only_d BEFORE DELETE ON book_deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries_are_append_only'); END;

-- Executions with everything that they have cost, whenever that was told.
CREATE VIEW charged_fills AS
SELECT f.id, f.account, f.execution_id, f.order_ref, f.symbol, f.side, f.quantity, f.price_micros,
       f.commission_micros + coalesce(c.commission_micros, 0) AS commission_micros,
       f.realized_micros - coalesce(c.commission_micros, 0)   AS realized_micros,
       f.purpose, f.reason, f.executed_us, f.booked_us, f.multiplier
FROM book_fills f LEFT JOIN book_commissions c ON c.account = f.account AND c.execution_id = f.execution_id;

-- Views for people. Dollars are numbers, rounded; times are ISO-8601 UTC.

CREATE VIEW positions AS
SELECT account, symbol, quantity,
       CASE WHEN quantity > 0 THEN round(cost_micros / 1e6 / (quantity * multiplier), 4) ELSE 0.0 END AS avg_cost,
       round(take_profit_micros / 1e6, 4) AS take_profit,
       round(stop_micros / 1e6, 4)        AS stop_loss,
       state,
       strftime('%Y-%m-%dT%H:%M:%fZ', opened_us / 1e6, 'unixepoch')  AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', updated_us / 1e6, 'unixepoch') AS updated_at,
       multiplier,
       CASE WHEN multiplier > 1 THEN printf('20%s-%s-%s', substr(symbol, -15, 2), substr(symbol, -13, 2),
                                            substr(symbol, -11, 2)) END AS expiry
FROM book_positions;

-- The armed exits: a view of the ledger, never a store of its own (incident 4).
CREATE VIEW armed_exits AS
SELECT account, symbol, quantity,
       round(entry_micros / 1e6, 4)        AS entry,
       round(initial_stop_micros / 1e6, 4) AS initial_stop,
       round(stop_micros / 1e6, 4)         AS stop_loss,
       round(take_profit_micros / 1e6, 4)  AS take_profit,
       state
FROM book_positions WHERE quantity > 0;

CREATE VIEW trades AS
SELECT id, account, symbol, side, quantity,
       round(price_micros / 1e6, 4)      AS price,
       round(commission_micros / 1e6, 4) AS commission,
       round(realized_micros / 1e6, 4)   AS realized_pnl,
       purpose, reason, execution_id, order_ref,
       strftime('%Y-%m-%dT%H:%M:%fZ', executed_us / 1e6, 'unixepoch') AS timestamp,
       multiplier
FROM charged_fills;

CREATE VIEW orders AS
SELECT order_ref, account, symbol, side, quantity, filled, state, purpose, reason,
       round(limit_micros / 1e6, 4) AS limit_price, round(stop_micros / 1e6, 4) AS stop_price, signal_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', created_us / 1e6, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', updated_us / 1e6, 'unixepoch') AS updated_at, perm_id
FROM book_orders;

CREATE VIEW signals AS
SELECT id, account, symbol, probability,
       strftime('%Y-%m-%dT%H:%M:%fZ', signal_us / 1e6, 'unixepoch') AS timestamp,
       source, outcome, stage, rule, measured, limit_value, detail, count, order_ref
FROM book_signals;

CREATE VIEW events AS
SELECT seq, account, type, symbol,
       strftime('%Y-%m-%dT%H:%M:%fZ', at_us / 1e6, 'unixepoch') AS timestamp,
       data
FROM book_events;

CREATE VIEW latches AS
SELECT id, account, breaker, scope, target, cause, measured, limit_value, formula, inputs,
       CASE flattens WHEN 1 THEN 'flatten' ELSE 'stop_entries' END AS action,
       CASE WHEN cleared_us IS NULL THEN 'tripped' ELSE 'cleared' END AS state,
       strftime('%Y-%m-%dT%H:%M:%fZ', tripped_us / 1e6, 'unixepoch') AS tripped_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', cleared_us / 1e6, 'unixepoch') AS cleared_at,
       cleared_by, cleared_reason
FROM book_latches;

CREATE VIEW alarms AS
SELECT a.seq AS id, a.account, a.type, a.severity, a.subject, a.text, a.count,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.first_us / 1e6, 'unixepoch') AS first_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.last_us / 1e6, 'unixepoch')  AS last_at,
       CASE WHEN a.acknowledged_us IS NULL THEN 'open' ELSE 'acknowledged' END AS state,
       a.acknowledged_by,
       (SELECT group_concat(channel, ' ') FROM (
            SELECT DISTINCT d.channel FROM book_deliveries d WHERE d.account = a.account AND d.alarm = a.seq)) AS told
FROM book_alarms a;

CREATE VIEW deliveries AS
SELECT id, account, alarm, channel, count,
       strftime('%Y-%m-%dT%H:%M:%fZ', at_us / 1e6, 'unixepoch') AS timestamp
FROM book_deliveries;

CREATE VIEW round_trips AS
SELECT account, symbol,
       strftime('%Y-%m-%dT%H:%M:%fZ', opened_us / 1e6, 'unixepoch') AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', closed_us / 1e6, 'unixepoch') AS closed_at,
       round(bought_micros / 1e6 / (quantity * multiplier), 4) AS entry_price,
       round(sold_micros / 1e6 / (quantity * multiplier), 4)   AS exit_price,
       quantity,
       round(pnl_micros / 1e6, 4) AS pnl,
       exit_reason,
       multiplier,
       closed_by
FROM book_round_trips;

CREATE VIEW account AS
SELECT a.account,
       round(a.starting_cash_micros / 1e6, 2) AS starting_cash,
       round(a.cash_micros / 1e6, 2)          AS cash,
       round((a.cash_micros + coalesce(h.value_micros, 0)) / 1e6, 2) AS equity,
       round(coalesce((SELECT sum(realized_micros) FROM charged_fills f WHERE f.account = a.account), 0) / 1e6, 2)
           AS realized_pnl,
       round(coalesce(h.value_micros - h.cost_micros, 0) / 1e6, 2) AS unrealized_pnl,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.updated_us / 1e6, 'unixepoch') AS timestamp
FROM book_accounts a
LEFT JOIN (
    SELECT p.account,
           sum(coalesce(m.price_micros * p.quantity * p.multiplier, p.cost_micros)) AS value_micros,
           sum(p.cost_micros) AS cost_micros
    FROM book_positions p LEFT JOIN book_marks m ON m.account = p.account AND m.symbol = p.symbol
    WHERE p.quantity > 0
    GROUP BY p.account
) h ON h.account = a.account;
