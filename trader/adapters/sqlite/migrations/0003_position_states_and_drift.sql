-- Exits have an entry, an initial stop and a direction: a stop is only tightened. A position moves through its states
-- one way. What book and broker do not agree on has a table.

DROP VIEW positions;
DROP VIEW account;
DROP TRIGGER family_inverse_side_is_taken;
DROP TRIGGER family_long_side_is_taken;
DROP TRIGGER exit_within_what_is_held;

CREATE TEMP TABLE positions_before AS SELECT * FROM book_positions;
DROP TABLE book_positions;
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

-- The entry is the newest execution that found nothing held. While its order works the position is opening; where that
-- has ended unfilled, the position became open with it.
CREATE TEMP TABLE entries AS
SELECT account, symbol, price_micros, order_ref, max(id) FROM (
    SELECT *, sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) OVER (PARTITION BY account, symbol ORDER BY id)
        AS held FROM book_fills)
WHERE side = 'BUY' AND held = quantity GROUP BY account, symbol;

INSERT INTO book_positions
SELECT p.account, p.symbol, p.family, p.direction, p.quantity, p.cost_micros,
       CASE WHEN p.quantity > 0 THEN max(p.stop_micros + 1, min(p.take_profit_micros - 1,
           coalesce(e.price_micros, p.cost_micros / p.quantity))) END,
       p.stop_micros, p.stop_micros, p.take_profit_micros,
       CASE WHEN p.state = 'open' AND l.order_ref IS NOT NULL AND l.released_us IS NULL THEN 'opening' ELSE p.state END,
       p.closing_purpose, p.closing_reason, p.opened_us,
       CASE WHEN p.state = 'open' AND l.evidence <> 'filled' THEN max(p.updated_us, l.released_us)
            ELSE p.updated_us END,
       p.bought, p.bought_micros, p.sold_micros, p.realized_micros
FROM positions_before p
LEFT JOIN entries e ON e.account = p.account AND e.symbol = p.symbol
LEFT JOIN book_locks l ON l.order_ref = e.order_ref;
DROP TABLE positions_before;
DROP TABLE entries;
CREATE INDEX held_inverse_positions ON book_positions (account, family) WHERE quantity > 0 AND direction = -1;

CREATE TABLE book_drift (
    account   TEXT    NOT NULL REFERENCES book_accounts (account),
    symbol    TEXT    NOT NULL,
    book      INTEGER NOT NULL CHECK (book >= 0),
    broker    INTEGER NOT NULL,
    since_us  INTEGER NOT NULL,
    PRIMARY KEY (account, symbol)
) STRICT, WITHOUT ROWID;

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

CREATE TRIGGER exit_within_what_is_held BEFORE INSERT ON book_orders
WHEN NEW.side = 'SELL' AND NEW.purpose <> 'adjust' AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND NEW.quantity - NEW.filled > coalesce(
    (SELECT quantity FROM book_positions WHERE account = NEW.account AND symbol = NEW.symbol), 0)
BEGIN SELECT RAISE(ABORT, 'exit_within_what_is_held'); END;

-- The armed exits: a view of the ledger, never a store of its own (incident 4).
CREATE VIEW armed_exits AS
SELECT account, symbol, quantity,
       round(entry_micros / 1e6, 4)        AS entry,
       round(initial_stop_micros / 1e6, 4) AS initial_stop,
       round(stop_micros / 1e6, 4)         AS stop_loss,
       round(take_profit_micros / 1e6, 4)  AS take_profit,
       state
FROM book_positions WHERE quantity > 0;

CREATE VIEW positions AS
SELECT account, symbol, quantity,
       CASE WHEN quantity > 0 THEN round(cost_micros / 1e6 / quantity, 4) ELSE 0.0 END AS avg_cost,
       round(take_profit_micros / 1e6, 4) AS take_profit,
       round(stop_micros / 1e6, 4)        AS stop_loss,
       state,
       strftime('%Y-%m-%dT%H:%M:%fZ', opened_us / 1e6, 'unixepoch')  AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', updated_us / 1e6, 'unixepoch') AS updated_at
FROM book_positions;

CREATE VIEW account AS
SELECT a.account,
       round(a.starting_cash_micros / 1e6, 2) AS starting_cash,
       round(a.cash_micros / 1e6, 2)          AS cash,
       round((a.cash_micros + coalesce(h.value_micros, 0)) / 1e6, 2) AS equity,
       round(coalesce((SELECT sum(realized_micros) FROM book_fills f WHERE f.account = a.account), 0) / 1e6, 2)
           AS realized_pnl,
       round(coalesce(h.value_micros - h.cost_micros, 0) / 1e6, 2) AS unrealized_pnl,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.updated_us / 1e6, 'unixepoch') AS timestamp
FROM book_accounts a
LEFT JOIN (
    SELECT p.account,
           sum(coalesce(m.price_micros * p.quantity, p.cost_micros)) AS value_micros,
           sum(p.cost_micros) AS cost_micros
    FROM book_positions p LEFT JOIN book_marks m ON m.account = p.account AND m.symbol = p.symbol
    WHERE p.quantity > 0
    GROUP BY p.account
) h ON h.account = a.account;
